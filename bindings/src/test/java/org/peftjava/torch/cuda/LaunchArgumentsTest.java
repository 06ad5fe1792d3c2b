package org.peftjava.torch.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.runtime.NativeRuntime;

/** What the driver would read, and the tables that are sent so. */
class LaunchArgumentsTest {
  static {
    NativeRuntime.ensureLoaded();
  }

  private static long read(PointerPointer<Pointer> pointers, int argument, int number) {
    return new LongPointer(pointers.get(argument)).get(number);
  }

  @Test
  void everyArgumentHasItsPlace() {
    LaunchArguments arguments = LaunchArguments.ofThread();
    long[] numbers = new long[KernelTable.NUMBERS];
    Arrays.setAll(numbers, i -> 1000 + i);
    PointerPointer<Pointer> over = arguments.over("k", numbers, 5, -6, 7);
    assertEquals(1000, read(over, 0, 0));
    assertEquals(1000 + KernelTable.NUMBERS - 1, read(over, 0, KernelTable.NUMBERS - 1));
    assertEquals(5, read(over, 1, 0));
    assertEquals(-6, read(over, 2, 0));
    assertEquals(7, read(over, 3, 0));
    long[] most = new long[LaunchArguments.MOST];
    Arrays.setAll(most, i -> -i);
    PointerPointer<Pointer> plain = arguments.of("k", most);
    for (int i = 0; i < most.length; i++) {
      assertEquals(-i, read(plain, i, 0));
    }
    PointerPointer<Pointer> fewer = arguments.of("k", 9);
    assertEquals(9, read(fewer, 0, 0));
    assertEquals(1000, read(over, 0, 0));
  }

  @Test
  void eachThreadHasItsOwn() {
    long here = LaunchArguments.ofThread().of("k", 1).address();
    long there =
        CompletableFuture.supplyAsync(() -> LaunchArguments.ofThread().of("k", 2).address()).join();
    assertNotEquals(here, there);
    assertEquals(1, read(LaunchArguments.ofThread().of("k", 1), 0, 0));
  }

  @Test
  void whatDoesNotFitIsRefused() {
    LaunchArguments arguments = LaunchArguments.ofThread();
    assertThrows(IllegalArgumentException.class, () -> arguments.of("k", new long[33]));
    assertThrows(IllegalArgumentException.class, () -> arguments.over("k", new long[3], 1));
    KernelTable table = new KernelTable(2);
    assertThrows(IllegalArgumentException.class, () -> table.add(1, 2));
  }

  /** Blocks are counted anew in each launch, and tables are zero behind their entries. */
  @Test
  void tablesAreSentInParts() {
    KernelTable table = new KernelTable(3);
    for (int i = 0; i < 150; i++) {
      table.add(2, 10L * i, 7, 8);
    }
    List<long[]> tables = new ArrayList<>();
    table.launch(
        new KernelLauncher() {
          @Override
          public void launch(String kernel, LaunchGrid grid, long... arguments) {
            throw new AssertionError(kernel);
          }

          @Override
          public void launchOver(
              String kernel, LaunchGrid grid, long[] numbers, long... arguments) {
            assertEquals(2 * arguments[0], grid.x());
            assertEquals(99, arguments[1]);
            tables.add(numbers);
          }

          @Override
          public long table(float... values) {
            throw new AssertionError();
          }

          @Override
          public int capability() {
            throw new AssertionError();
          }
        },
        "k",
        64,
        99);
    assertEquals(2, tables.size());
    assertEquals(2 * 111, tables.get(0)[4 * 111]);
    assertEquals(1110, tables.get(0)[4 * 111 + 1]);
    assertEquals(0, tables.get(1)[0]);
    assertEquals(1120, tables.get(1)[1]);
    assertEquals(2 * 37, tables.get(1)[4 * 37]);
    assertEquals(0, tables.get(1)[4 * 38 + 1]);
  }
}
