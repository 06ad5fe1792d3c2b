package org.peftjava.peft;

import java.util.Locale;

/**
 * How many parameters a model trains; prints as Python's print_trainable_parameters.
 *
 * @param trainable numbers that collect gradients
 * @param all all numbers, shared ones once
 */
public record TrainableParameters(long trainable, long all) {
  /** The trained share in percent. */
  public double percent() {
    return all == 0 ? 0 : 100.0 * trainable / all;
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "trainable params: %,d || all params: %,d || trainable%%: %.4f",
        trainable,
        all,
        percent());
  }
}
