package org.peftjava.peft;

import java.util.function.Consumer;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.PretrainedModel;

/**
 * A model with adapters that gives back a model of the kind that it was made of.
 *
 * @param <M> that kind
 */
interface OverModel<M extends Module & PretrainedModel> extends OverBase, AdapterHost {
  /** The model below the adapters. */
  @Override
  M base();

  /** The base model, with the adapters in its layers. */
  @Override
  default M getBaseModel() {
    return base();
  }

  @Override
  default M mergeAndUnload() {
    AdapterHost.super.mergeAndUnload();
    return base();
  }

  @Override
  default M mergeAndUnload(Consumer<MergeOptions.Builder> options) {
    AdapterHost.super.mergeAndUnload(options);
    return base();
  }

  @Override
  default M unload() {
    AdapterHost.super.unload();
    return base();
  }
}
