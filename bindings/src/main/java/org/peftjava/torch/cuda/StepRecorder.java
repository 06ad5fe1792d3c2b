package org.peftjava.torch.cuda;

import java.util.function.Supplier;

/**
 * Records what some work starts on a device, to start all of it again by one call.
 *
 * <p>A recording does again what was done in the same memory: what is to differ must be read from
 * there. Nothing that it starts may wait for the device, nor read what the host has.
 */
public interface StepRecorder {
  /**
   * Runs work as it will be recorded. What comes into being the first time, such as tables and
   * compiled kernels, is there afterwards.
   */
  void rehearse(Runnable work);

  /**
   * Records work, which does not run now. Tensors that it makes and keeps get their contents from
   * {@link Recording#replay}.
   *
   * @throws RuntimeException if the work throws, or cannot be recorded, such as work that waits for
   *     the device; nothing is left of it then
   */
  Recording record(Runnable work);

  /** Work that was recorded. Close it. */
  interface Recording extends AutoCloseable {
    /**
     * Starts the work again and takes its result, before another recording of the device can write
     * where it lies.
     *
     * @param result starts copies of what the work has made; it does not wait for them
     */
    <T> T replay(Supplier<T> result);

    @Override
    void close();
  }
}
