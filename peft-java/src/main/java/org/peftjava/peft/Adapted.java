package org.peftjava.peft;

import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.nn.Module;

/**
 * A module that has adapters, and what they are.
 *
 * @param tuned the adapters
 * @param isWrapped whether it is a PeftModel, whose names begin with {@code base_model.}
 */
record Adapted(TunedModel tuned, boolean isWrapped) {
  /** The adapters of a PeftModel, or those in a module's own layers. */
  static Adapted of(Module model) {
    if (model instanceof PeftModel wrapped) {
      return new Adapted(wrapped.tuned(), true);
    }
    return TunedModel.in(model)
        .map(tuned -> new Adapted(tuned, false))
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "This "
                        + model.getClass().getSimpleName()
                        + " has no adapters. Expected a PeftModel, or a module into whose layers"
                        + " Peft.injectAdapterInModel or addAdapter has put some."));
  }
}
