package org.peftjava.torch.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * What a kernel does to many tensors in one launch: the numbers that differ between them are among
 * its arguments, as many as fit there.
 */
public final class KernelTable {
  /** As {@code Table} of {@code table.cuh} has them. */
  public static final int NUMBERS = 448;

  private final int width;
  private final List<long[]> entries = new ArrayList<>();

  /** For entries of so many numbers. */
  public KernelTable(int width) {
    this.width = width + 1;
  }

  /**
   * Adds an entry.
   *
   * @param blocks thread blocks that it needs
   * @param numbers addresses, counts, floats: what the kernel expects behind the first block
   */
  public void add(int blocks, long... numbers) {
    if (numbers.length + 1 != width) {
      throw new IllegalArgumentException(
          "An entry of %d numbers in a table of %d.".formatted(numbers.length, width - 1));
    }
    long[] entry = new long[width];
    entry[0] = blocks;
    System.arraycopy(numbers, 0, entry, 1, numbers.length);
    entries.add(entry);
  }

  /**
   * Starts a kernel for all entries, which it takes as a table and their count before {@code
   * arguments}.
   */
  public void launch(KernelLauncher launcher, String kernel, int threads, long... arguments) {
    int most = NUMBERS / width;
    for (int start = 0; start < entries.size(); start += most) {
      List<long[]> some = entries.subList(start, Math.min(entries.size(), start + most));
      launchSome(some, launcher, kernel, threads, arguments);
    }
  }

  private void launchSome(
      List<long[]> some, KernelLauncher launcher, String kernel, int threads, long... arguments) {
    long[] table = new long[NUMBERS];
    long blocks = 0;
    for (int i = 0; i < some.size(); i++) {
      long[] entry = some.get(i);
      System.arraycopy(entry, 0, table, i * width, width);
      table[i * width] = blocks;
      blocks = Math.addExact(blocks, entry[0]);
    }
    long[] all = new long[arguments.length + 1];
    all[0] = some.size();
    System.arraycopy(arguments, 0, all, 1, arguments.length);
    launcher.launchOver(kernel, new LaunchGrid(Math.toIntExact(blocks), threads), table, all);
  }
}
