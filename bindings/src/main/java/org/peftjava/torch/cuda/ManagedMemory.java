package org.peftjava.torch.cuda;

import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A piece of managed memory that this object owns: it is freed by {@link #close} and by nothing
 * else, neither by a tensor over it nor by the garbage collector. Whoever hands out its address
 * sees to it that nothing uses it afterwards.
 */
public final class ManagedMemory implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ManagedMemory.class);

  private final ManagedAllocator allocator;
  private final long bytes;
  private long address; // 0 when closed; guarded by this

  private ManagedMemory(ManagedAllocator allocator, long bytes, long address) {
    this.allocator = allocator;
    this.bytes = bytes;
    this.address = address;
  }

  /**
   * New memory with arbitrary contents; empty if neither card nor host has so much.
   *
   * @throws CudaException if the driver has another reason to refuse
   */
  public static Optional<ManagedMemory> allocate(ManagedAllocator allocator, long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException(
          "Managed memory of " + bytes + " bytes. Expected at least 1.");
    }
    long address = allocator.allocate(bytes);
    return address == 0
        ? Optional.empty()
        : Optional.of(new ManagedMemory(allocator, bytes, address));
  }

  /** Its size. */
  public long bytes() {
    return bytes;
  }

  /** Where it begins, on the card and on the host. */
  public synchronized long address() {
    checkOpen();
    return address;
  }

  /** Starts to move it to the card, in the order of libtorch's work on this thread. */
  public synchronized void prefetch() {
    checkOpen();
    allocator.prefetch(address, bytes);
  }

  private void checkOpen() {
    if (address == 0) {
      throw new IllegalStateException(
          "These " + bytes + " bytes of managed memory were freed. They cannot be used any more.");
    }
  }

  /**
   * Waits for the card and frees the memory. Closing twice does nothing. Where the driver cannot
   * free it, which it says of everything after a kernel has failed, that is logged.
   */
  @Override
  public synchronized void close() {
    long freed = address;
    address = 0;
    if (freed != 0) {
      try {
        allocator.free(freed);
      } catch (CudaException e) {
        LOG.warn("{} bytes of managed memory could not be freed: {}", bytes, e.getMessage());
      }
    }
  }
}
