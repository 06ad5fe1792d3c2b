package org.peftjava.torch.cuda;

/**
 * How many threads a kernel gets.
 *
 * @param x thread blocks in the first dimension, up to 2^31 - 1
 * @param y thread blocks in the second dimension, up to 65535
 * @param threads of a block, a multiple of 32 up to 1024
 */
public record LaunchGrid(int x, int y, int threads) {
  /** Checks the ranges. */
  public LaunchGrid {
    if (x < 1 || y < 1 || y > 65535 || threads < 32 || threads > 1024 || threads % 32 != 0) {
      throw new IllegalArgumentException(
          "A grid of %d x %d blocks of %d threads. Expected up to 2^31 - 1 x 65535 blocks of 32 to 1024 threads, a multiple of 32."
              .formatted(x, y, threads));
    }
  }

  /** One dimension. */
  public LaunchGrid(int blocks, int threads) {
    this(blocks, 1, threads);
  }

  /** Blocks of so many threads in which each thread has {@code each} of {@code count} items. */
  public static LaunchGrid over(long count, int each, int threads) {
    long block = (long) each * threads;
    return new LaunchGrid(Math.toIntExact(Math.max(1, (count + block - 1) / block)), threads);
  }
}
