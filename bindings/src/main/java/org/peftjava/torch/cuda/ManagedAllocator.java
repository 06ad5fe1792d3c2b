package org.peftjava.torch.cuda;

import java.util.Optional;

/**
 * Managed memory of one card: the driver moves its pages to the host when the card is full, and
 * back when the card uses them. The host itself never reads or writes it here; libtorch's copies
 * and kernels do.
 *
 * <p>Addresses are not checked. {@link ManagedMemory} owns what is allocated.
 */
public interface ManagedAllocator {
  /**
   * New memory with arbitrary contents; 0 if neither card nor host has so much.
   *
   * @throws CudaException if the driver has another reason to refuse
   */
  long allocate(long bytes);

  /**
   * Starts to move memory to the card, in the order of the work that libtorch starts on the calling
   * thread. Does not wait.
   */
  void prefetch(long address, long bytes);

  /**
   * Frees what was allocated, after the card has done all that was started on it, on any thread.
   */
  void free(long address);

  /**
   * That of a card. Empty, with a warning once, if there is no driver, or if the card cannot work
   * while managed memory is on the host (Windows, WSL, cards before Pascal): nothing would leave it
   * when it is full.
   */
  static Optional<ManagedAllocator> on(int card) {
    return DriverAllocator.CARDS.on(card);
  }
}
