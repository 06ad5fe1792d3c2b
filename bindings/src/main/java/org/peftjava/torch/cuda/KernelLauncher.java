package org.peftjava.torch.cuda;

/**
 * Starts kernels that work on the memory of one device, in the order of the device's other work.
 *
 * <p>Addresses are not checked: a wrong one breaks the process.
 */
public interface KernelLauncher {
  /**
   * Starts a kernel and does not wait for it.
   *
   * @param kernel its name in the source
   * @param arguments one for each parameter, in order: an address, a whole number, or {@link
   *     #argument a float}
   */
  void launch(String kernel, LaunchGrid grid, long... arguments);

  /**
   * The same for a kernel whose first parameter is a {@code Table} of {@code table.cuh}, by value.
   *
   * @param table {@link KernelTable#NUMBERS} numbers
   * @param arguments the others
   */
  void launchOver(String kernel, LaunchGrid grid, long[] table, long... arguments);

  /**
   * The address of these numbers as float32 on the device. They are put there once for equal arrays
   * and stay for the life of the process: it is for the few tables that kernels look up.
   */
  long table(float... values);

  /** The device's compute capability, 10 times the number: 90 for 9.0. */
  int capability();

  /** Two floats in one number, the first in the low half. */
  static long pair(double low, double high) {
    return argument(low) | argument(high) << 32;
  }

  /** A float as an argument. */
  static long argument(double value) {
    return Integer.toUnsignedLong(Float.floatToRawIntBits((float) value));
  }
}
