package org.peftjava.peft.tuner.adamss;

import java.util.Arrays;

/**
 * {@code numpy.random.RandomState(seed)}: the generator MT19937. The same calls give numpy's
 * numbers.
 *
 * <p>Sources: M. Matsumoto and T. Nishimura, "Mersenne Twister"; NumPy {@code random/mtrand.pyx}.
 */
final class MersenneTwister {
  private static final int LENGTH = 624;
  private static final int SHIFT = 397;

  private final int[] state = new int[LENGTH];
  private int next = LENGTH;

  MersenneTwister(int seed) {
    state[0] = seed;
    for (int i = 1; i < LENGTH; i++) {
      state[i] = 1_812_433_253 * (state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    }
  }

  private void refill() {
    for (int i = 0; i < LENGTH; i++) {
      int bits = (state[i] & 0x80000000) | (state[(i + 1) % LENGTH] & 0x7fffffff);
      state[i] = state[(i + SHIFT) % LENGTH] ^ (bits >>> 1) ^ ((bits & 1) == 0 ? 0 : 0x9908b0df);
    }
    next = 0;
  }

  private int nextInt() {
    if (next == LENGTH) {
      refill();
    }
    int bits = state[next++];
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    return bits ^ (bits >>> 18);
  }

  /** {@code random_sample}: a number in [0, 1). */
  double nextDouble() {
    int high = nextInt() >>> 5;
    int low = nextInt() >>> 6;
    return (high * (double) (1 << 26) + low) / (double) (1L << 53);
  }

  /**
   * {@code choice(n, count, replace=False, p=...)} with equal probabilities of float32: different
   * numbers below n.
   */
  int[] choice(int n, int count) {
    double[] shares = new double[n];
    Arrays.fill(shares, 1f / n);
    int[] result = new int[count];
    int found = 0;
    while (found < count) {
      double[] drawn = new double[count - found];
      Arrays.setAll(drawn, i -> nextDouble());
      for (int i = 0; i < found; i++) {
        shares[result[i]] = 0;
      }
      found = addUnique(result, found, drawn, cumulated(shares));
    }
    return result;
  }

  private static double[] cumulated(double[] shares) {
    double[] result = new double[shares.length];
    double sum = 0;
    for (int i = 0; i < shares.length; i++) {
      sum += shares[i];
      result[i] = sum;
    }
    for (int i = 0; i < shares.length; i++) {
      result[i] /= sum;
    }
    return result;
  }

  private static int addUnique(int[] result, int found, double[] drawn, double[] sums) {
    int end = found;
    for (double value : drawn) {
      int place = 0;
      while (sums[place] <= value) {
        place++;
      }
      boolean isNew = true;
      for (int i = found; i < end; i++) {
        isNew &= result[i] != place;
      }
      if (isNew) {
        result[end++] = place;
      }
    }
    return end;
  }
}
