package org.peftjava.torch.optim;

/** What options of optimizers must fulfil. */
final class Ranges {
  private Ranges() {}

  static void notNegative(String optimizer, String name, double value) {
    if (!(value >= 0)) {
      throw new IllegalArgumentException(
          optimizer + ": " + name + " must not be negative, got " + value + ".");
    }
  }
}
