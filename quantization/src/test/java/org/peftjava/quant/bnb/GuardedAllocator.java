package org.peftjava.quant.bnb;

import java.util.HashMap;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.peftjava.torch.cuda.ManagedAllocator;

/**
 * Ordinary memory in place of managed one: garbage at first, between bytes that nothing may write.
 * What is freed becomes garbage again and stays, so that a late write is found too.
 */
final class GuardedAllocator implements ManagedAllocator, AutoCloseable {
  private static final int GUARD = 64;
  private static final byte GARBAGE = (byte) 0xAB;

  private final Map<Long, Piece> pieces = new HashMap<>();

  private record Piece(BytePointer memory, long bytes) {
    void fill() {
      Pointer.memset(memory, GARBAGE, bytes + 2 * GUARD);
    }

    void check(boolean free) {
      for (long i = 0; i < bytes + 2 * GUARD; i++) {
        boolean guard = i < GUARD || i >= bytes + GUARD;
        if ((guard || free) && memory.get(i) != GARBAGE) {
          throw new AssertionError(
              "Byte " + (i - GUARD) + " of " + bytes + (free ? ", freed," : "") + " was written");
        }
      }
    }
  }

  @Override
  public long allocate(long bytes) {
    Piece piece = new Piece(new BytePointer(Pointer.malloc(bytes + 2 * GUARD)), bytes);
    piece.fill();
    long address = piece.memory.address() + GUARD;
    pieces.put(address, piece);
    return address;
  }

  @Override
  public void prefetch(long address, long bytes) {
    if (pieces.get(address).bytes != bytes) {
      throw new AssertionError(bytes + " bytes of another piece");
    }
  }

  @Override
  public void free(long address) {
    pieces.get(address).check(false);
    pieces.get(address).fill();
  }

  /** After all has been freed. */
  @Override
  public void close() {
    pieces.values().forEach(piece -> piece.check(true));
    pieces.values().forEach(piece -> Pointer.free(piece.memory));
    pieces.clear();
  }
}
