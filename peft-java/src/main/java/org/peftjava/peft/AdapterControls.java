package org.peftjava.peft;

import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.AdapterRows;
import org.peftjava.peft.tuner.AdapterScales;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Tensor;

/** Which adapters of a model act, how strongly, and how they are trained. */
interface AdapterControls {
  /** The model that has these verbs. */
  private PeftModel self() {
    return (PeftModel) this;
  }

  /** Lets exactly these adapters act, and trains them. Merged adapters are unmerged first. */
  default void setAdapter(String... adapterNames) {
    List<String> names = List.of(adapterNames);
    self().tuned().activate(names, names);
  }

  /**
   * Lets exactly these adapters act.
   *
   * @param inferenceMode whether they are frozen
   */
  default void setAdapter(List<String> adapterNames, boolean inferenceMode) {
    Functional.setAdapter(self(), adapterNames, inferenceMode);
  }

  /** Trains adapters while they act, or freezes them. */
  default void setRequiresGrad(List<String> adapterNames, boolean requiresGrad) {
    Functional.setRequiresGrad(self(), adapterNames, requiresGrad);
  }

  /** Trains an adapter while it acts, or freezes it. */
  default void setRequiresGrad(String adapterName, boolean requiresGrad) {
    self().tuned().trainable(adapterName, requiresGrad);
  }

  /** Sets an adapter to so many times the strength that its config gives. */
  default void setScale(String adapterName, double scale) {
    new AdapterScales(self().tuned()).set(List.of(adapterName), scale);
  }

  /** Multiplies the strength of the adapters that act. */
  default void scaleLayer(double scale) {
    new AdapterScales(self().tuned()).multiply(self().activeAdapters(), scale);
  }

  /** Gives the adapters that act the strength of their configs again. */
  default void unscaleLayer() {
    new AdapterScales(self().tuned()).set(self().activeAdapters(), 1);
  }

  /** Lets the base model alone work until the switch is closed. Unmerges what is merged. */
  default PeftModel.AdapterSwitch disableAdapter() {
    AdapterSet set = self().tuned().adapters();
    boolean before = set.isEnabled();
    disableAdapterLayers();
    return () -> set.enable(before);
  }

  /**
   * Lets the base model alone work until {@link #enableAdapterLayers}. Unmerges what is merged.
   * {@link #disableAdapter} does it for a block.
   */
  default void disableAdapterLayers() {
    AdapterSet set = self().tuned().adapters();
    set.enable(false);
    if (!set.merged().isEmpty()) {
      self().tuned().unmerge();
    }
    PeftConstruction.warnAboutBiases(self().peftConfig());
  }

  /** Lets the adapters act again that were chosen before {@link #disableAdapterLayers}. */
  default void enableAdapterLayers() {
    self().tuned().adapters().enable(true);
  }

  /** The result of {@code work} with the base model alone. */
  default <T> T withoutAdapter(Supplier<T> work) {
    try (PeftModel.AdapterSwitch disabled = disableAdapter()) {
      return work.get();
    }
  }

  /**
   * The result of {@code work}, within which each row of a batch has its own adapter: Python's
   * {@code adapter_names}. For language models and classifiers, {@code forward} and {@code
   * generate} take {@link PassOptions}; this is for modules of any kind.
   *
   * @param adapterNames one for each row, {@link AdapterRows#BASE} for the base model alone
   */
  default <T> T withAdapterNames(List<String> adapterNames, Supplier<T> work) {
    return MixedRows.during(self().tuned(), adapterNames, work);
  }

  /**
   * Lets the adapters that are trained share out their rank anew: {@code update_and_allocate} of
   * AdaLoRA and AdaMSS. In a training loop of your own, call it after the optimizer's step and
   * before {@code zeroGrad}; a {@code Trainer} does it. A second call for the same step does
   * nothing.
   *
   * @param globalStep the step, counted from 0
   * @throws UnsupportedOperationException if no adapter does such a thing
   */
  default void updateAndAllocate(int globalStep) {
    if (self().tuned().trainings().isEmpty()) {
      throw new UnsupportedOperationException(
          "updateAndAllocate is for AdaLoRA and AdaMSS with useAsa; the adapters of this model are "
              + self().peftConfig().values().stream().map(TunerConfig::peftType).distinct().toList()
              + ".");
    }
    self().tuned().trainings().afterStep(globalStep);
  }

  /**
   * What the adapters that are trained add to a loss, a scalar in the graph, such as AdaLoRA's
   * penalty. Models of this library have it in their loss already.
   */
  default Optional<Tensor> trainingPenalty() {
    return self().tuned().trainings().penalty();
  }
}
