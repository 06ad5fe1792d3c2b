package org.peftjava.peft.tuner.unilora;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/**
 * {@code numpy.random.default_rng(seed)}: the generator PCG64 (XSL-RR), seeded with a SeedSequence.
 * The same calls give numpy's numbers.
 *
 * <p>Sources: M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good
 * Algorithms for Random Number Generation"; NumPy {@code random/bit_generator.pyx, _generator.pyx}.
 */
final class NumpyRandom {
  private static final long MULTIPLIER_HIGH = 0x2360ED051FC65DA4L;
  private static final long MULTIPLIER_LOW = 0x4385DF649FCCF645L;
  private static final int POOL = 4;
  private static final int CUTOFF = 20;
  private static final int SMALL = 10_000;

  private long high;
  private long low;
  private final long stepHigh;
  private final long stepLow;
  private boolean hasHalf;
  private int half;

  /** A generator that starts at this seed, 0 or more. */
  NumpyRandom(long seed) {
    long[] words = SeedPool.of(seed).longs();
    stepHigh = (words[2] << 1) | (words[3] >>> 63);
    stepLow = (words[3] << 1) | 1;
    step();
    add(words[0], words[1]);
    step();
  }

  /** What makes many random words of a few: numpy's SeedSequence without spawning. */
  private static final class SeedPool {
    private final int[] pool = new int[POOL];
    private int constant = 0x43b0d7e5;

    static SeedPool of(long seed) {
      SeedPool result = new SeedPool();
      int[] entropy = {(int) seed, (int) (seed >>> 32), 0, 0};
      for (int i = 0; i < POOL; i++) {
        result.pool[i] = result.hash(entropy[i]);
      }
      for (int from = 0; from < POOL; from++) {
        for (int to = 0; to < POOL; to++) {
          if (from != to) {
            result.pool[to] = mix(result.pool[to], result.hash(result.pool[from]));
          }
        }
      }
      return result;
    }

    private int hash(int value) {
      int mixed = value ^ constant;
      constant *= 0x931e8875;
      mixed *= constant;
      return mixed ^ (mixed >>> 16);
    }

    private static int mix(int x, int y) {
      int result = 0xca01f9dd * x - 0x4973f715 * y;
      return result ^ (result >>> 16);
    }

    /** Four words of 64 bits. */
    long[] longs() {
      long[] result = new long[POOL];
      int factor = 0x8b51f9dd;
      for (int i = 0; i < 2 * POOL; i++) {
        int word = pool[i % POOL] ^ factor;
        factor *= 0x58f38ded;
        word *= factor;
        word ^= word >>> 16;
        result[i / 2] |= (word & 0xffffffffL) << (32 * (i % 2));
      }
      return result;
    }
  }

  private void add(long otherHigh, long otherLow) {
    long sum = low + otherLow;
    high += otherHigh + (Long.compareUnsigned(sum, low) < 0 ? 1 : 0);
    low = sum;
  }

  private void step() {
    long product = low * MULTIPLIER_LOW;
    high = unsignedHigh(low, MULTIPLIER_LOW) + high * MULTIPLIER_LOW + low * MULTIPLIER_HIGH;
    low = product;
    add(stepHigh, stepLow);
  }

  /** The upper half of the product of two unsigned numbers. */
  private static long unsignedHigh(long a, long b) {
    return Math.multiplyHigh(a, b) + ((a >> 63) & b) + ((b >> 63) & a);
  }

  /** 64 random bits. */
  long nextLong() {
    step();
    return Long.rotateRight(high ^ low, (int) (high >>> 58));
  }

  private int nextInt() {
    if (hasHalf) {
      hasHalf = false;
      return half;
    }
    long next = nextLong();
    hasHalf = true;
    half = (int) (next >>> 32);
    return (int) next;
  }

  /** A number from 0 to {@code last}. Lemire's method, as numpy for ranges below 2^32. */
  private int upTo(int last) {
    if (last == 0) {
      return 0;
    }
    long range = last + 1L;
    long product = (nextInt() & 0xffffffffL) * range;
    long rest = product & 0xffffffffL;
    if (rest < range) {
      long threshold = (0xffffffffL - last) % range;
      while (rest < threshold) {
        product = (nextInt() & 0xffffffffL) * range;
        rest = product & 0xffffffffL;
      }
    }
    return (int) (product >>> 32);
  }

  /** The same by numpy's older method: bits, drawn again while too large. For numbers above 0. */
  private int upToMasked(int last) {
    int mask = -1 >>> Integer.numberOfLeadingZeros(last);
    int value;
    do {
      value = nextInt() & mask;
    } while (value > last);
    return value;
  }

  /** {@code shuffle}: puts the numbers in random order. */
  void shuffle(int[] numbers) {
    for (int i = numbers.length - 1; i > 0; i--) {
      swap(numbers, i, upToMasked(i));
    }
  }

  /** The order within {@link #choice}. */
  private void mix(int[] numbers, int first) {
    for (int i = numbers.length - 1; i >= first; i--) {
      swap(numbers, i, upTo(i));
    }
  }

  private static void swap(int[] numbers, int i, int j) {
    int number = numbers[j];
    numbers[j] = numbers[i];
    numbers[i] = number;
  }

  /** {@code choice(n, count, replace=False)}: different numbers below n, in random order. */
  int[] choice(int n, int count) {
    if (n > SMALL && count > n / CUTOFF) {
      int[] all = new int[n];
      for (int i = 0; i < n; i++) {
        all[i] = i;
      }
      mix(all, Math.max(n - count, 1));
      return Arrays.copyOfRange(all, n - count, n);
    }
    int[] result = new int[count];
    Set<Integer> chosen = new HashSet<>();
    for (int i = n - count; i < n; i++) { // Floyd's method
      int number = upTo(i);
      int taken = chosen.add(number) ? number : i;
      chosen.add(taken);
      result[i - n + count] = taken;
    }
    mix(result, 1);
    return result;
  }
}
