package org.peftjava.peft;

import java.util.List;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.lora.IntruderReduction;

/**
 * Recovers knowledge that a LoRA adapter made a model forget: the function of Python's {@code
 * peft.tuners.lora.intruders}. Paper: arXiv:2410.21228.
 */
public final class Intruders {
  private Intruders() {}

  /** Makes "intruder_reduced" of "default" with Python's settings and prints what it finds. */
  @SuppressWarnings("SystemOut") // as Python's function does
  public static void reduceIntruderDimension(PeftModel peftModel) {
    reduceIntruderDimension(
        peftModel,
        PeftModel.DEFAULT_ADAPTER,
        "intruder_reduced",
        new IntruderReduction(10, 0.5, 0.75),
        System.out::println);
  }

  /**
   * Makes a new adapter of a LoRA adapter, in which singular vectors that have come into the
   * weights with it are weaker, and lets the new one act. It has the old one's rank and a scaling
   * of 1.
   *
   * @param loggingSink is told how many there were in each layer
   */
  public static void reduceIntruderDimension(
      PeftModel peftModel,
      String oldAdapterName,
      String newAdapterName,
      IntruderReduction settings,
      Consumer<String> loggingSink) {
    IntruderReduction.check(peftModel.tuned(), oldAdapterName);
    peftModel.addWeightedAdapter(List.of(oldAdapterName), List.of(1.0), newAdapterName);
    settings.change(peftModel.tuned(), oldAdapterName, newAdapterName).forEach(loggingSink);
    peftModel.setAdapter(newAdapterName);
  }
}
