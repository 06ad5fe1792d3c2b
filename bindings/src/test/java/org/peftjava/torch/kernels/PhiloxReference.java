package org.peftjava.torch.kernels;

/** Philox4x32-10, written from the paper's definition one word at a time. */
final class PhiloxReference {
  private PhiloxReference() {}

  static int[] words(int[] counter, int[] key) {
    long c0 = counter[0] & 0xffffffffL;
    long c1 = counter[1] & 0xffffffffL;
    long c2 = counter[2] & 0xffffffffL;
    long c3 = counter[3] & 0xffffffffL;
    int k0 = key[0];
    int k1 = key[1];
    for (int round = 0; round < 10; round++) {
      long first = 0xD2511F53L * c0;
      long second = 0xCD9E8D57L * c2;
      c0 = ((second >>> 32) ^ c1 ^ k0) & 0xffffffffL;
      c2 = ((first >>> 32) ^ c3 ^ k1) & 0xffffffffL;
      c1 = second & 0xffffffffL;
      c3 = first & 0xffffffffL;
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    return new int[] {(int) c0, (int) c1, (int) c2, (int) c3};
  }

  /** The random word of one element, as DropoutKernel documents it. */
  static long wordOf(long element, long seed, long offset) {
    long counter = 16 * (element / 64) + element % 16;
    int[] words =
        words(
            new int[] {(int) counter, (int) (counter >>> 32), (int) offset, (int) (offset >>> 32)},
            new int[] {(int) seed, (int) (seed >>> 32)});
    return words[(int) (element / 16 % 4)] & 0xffffffffL;
  }
}
