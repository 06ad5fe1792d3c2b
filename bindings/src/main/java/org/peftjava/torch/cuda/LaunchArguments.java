package org.peftjava.torch.cuda;

import java.nio.LongBuffer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * Memory for the arguments of one launch after the other, of one thread: the driver wants a pointer
 * to each argument, and copies what is there before a launch returns.
 */
final class LaunchArguments {
  static final int MOST = 32;

  private static final ThreadLocal<LaunchArguments> OF_THREAD =
      ThreadLocal.withInitial(LaunchArguments::new);

  private final LongPointer memory; // which the buffers show but do not hold
  private final LongBuffer table;
  private final LongBuffer values;
  private final PointerPointer<Pointer> tableAndValues;
  private final PointerPointer<Pointer> onlyValues;

  private LaunchArguments() {
    memory = new LongPointer(KernelTable.NUMBERS + MOST).<LongPointer>retainReference();
    tableAndValues = new PointerPointer<>(1 + MOST).<PointerPointer<Pointer>>retainReference();
    tableAndValues.put(0, memory.getPointer(0));
    for (int i = 0; i < MOST; i++) {
      tableAndValues.put(i + 1, memory.getPointer(KernelTable.NUMBERS + i));
    }
    onlyValues = tableAndValues.getPointer(1);
    LongBuffer all = memory.asBuffer();
    table = all.slice(0, KernelTable.NUMBERS);
    values = all.slice(KernelTable.NUMBERS, MOST);
  }

  /** Those of the calling thread. */
  static LaunchArguments ofThread() {
    return OF_THREAD.get();
  }

  /** Pointers to these arguments, until the next ones. */
  PointerPointer<Pointer> of(String kernel, long... arguments) {
    put(kernel, arguments);
    return onlyValues;
  }

  /** Pointers to a table and to these arguments, until the next ones. */
  PointerPointer<Pointer> over(String kernel, long[] numbers, long... arguments) {
    if (numbers.length != KernelTable.NUMBERS) {
      throw new IllegalArgumentException(
          "%s: a table of %d numbers. Expected %d."
              .formatted(kernel, numbers.length, KernelTable.NUMBERS));
    }
    put(kernel, arguments);
    table.put(0, numbers);
    return tableAndValues;
  }

  private void put(String kernel, long... arguments) {
    if (arguments.length > MOST) {
      throw new IllegalArgumentException(
          "%s: %d arguments. Expected at most %d.".formatted(kernel, arguments.length, MOST));
    }
    values.put(0, arguments);
  }
}
