package org.peftjava.peft;

import java.util.List;
import org.peftjava.peft.tuner.AdapterState;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Module;

/**
 * Adapters of modules that are no PeftModel: the functions of Python's {@code peft.functional}.
 * Adapters come with {@link Peft#injectAdapterInModel}; a PeftModel can be given too.
 */
public final class Functional {
  private Functional() {}

  /** Lets exactly these adapters act, and trains them. Merged adapters are unmerged first. */
  public static void setAdapter(Module model, String... adapterNames) {
    setAdapter(model, List.of(adapterNames), false);
  }

  /**
   * Lets exactly these adapters act.
   *
   * @param inferenceMode whether they are frozen
   */
  public static void setAdapter(Module model, List<String> adapterNames, boolean inferenceMode) {
    TunedModel tuned = Adapted.of(model).tuned();
    tuned.activate(adapterNames);
    adapterNames.forEach(name -> tuned.trainable(name, !inferenceMode));
  }

  /** Trains adapters while they act, or freezes them. */
  public static void setRequiresGrad(
      Module model, List<String> adapterNames, boolean requiresGrad) {
    TunedModel tuned = Adapted.of(model).tuned();
    tuned.adapters().checkKnown(adapterNames);
    adapterNames.forEach(name -> tuned.trainable(name, requiresGrad));
  }

  /**
   * Removes an adapter and frees it; the next one acts if it acted alone. A plain module without
   * adapters is what it was before the first one.
   */
  public static void deleteAdapter(Module model, String adapterName) {
    Adapted adapted = Adapted.of(model);
    TunedModel tuned = adapted.tuned();
    tuned.adapters().checkKnown(List.of(adapterName));
    tuned.delete(adapterName);
    if (!adapted.isWrapped() && tuned.adapters().names().isEmpty()) {
      Injections.release(tuned);
    }
  }

  /**
   * Makes the 16-bit weights of an adapter float32, as adding it does unless {@code
   * autocastAdapterDtype(false)} is asked for.
   */
  public static void castAdapterDtype(Module model, String adapterName) {
    AdapterState.parameters(Adapted.of(model).tuned(), adapterName).stream()
        .filter(parameter -> parameter.dtype().isHalfPrecision())
        .forEach(parameter -> parameter.to(DType.FLOAT32));
  }
}
