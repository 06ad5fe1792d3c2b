package org.peftjava.transformers.training;

import java.util.SplittableRandom;

/** A random order of 0 to n-1 (Fisher-Yates), the same for a seed on every machine. */
final class Permutation {
  private Permutation() {}

  static int[] of(int size, SplittableRandom random) {
    int[] order = new int[size];
    for (int i = 0; i < size; i++) {
      order[i] = i;
    }
    for (int i = size - 1; i > 0; i--) {
      int other = random.nextInt(i + 1);
      int held = order[i];
      order[i] = order[other];
      order[other] = held;
    }
    return order;
  }
}
