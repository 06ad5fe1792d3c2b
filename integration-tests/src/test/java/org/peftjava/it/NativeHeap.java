package org.peftjava.it;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Structure;
import java.util.List;

/** Bytes that malloc has given out in this process: what tensors take, to the byte. */
final class NativeHeap {
  private static final int M_MMAP_THRESHOLD = -3;
  private static final int M_MMAP_MAX = -4;
  private static final int SMALLEST_MAPPING = 1 << 13;
  private static final Libc LIBC = Native.load("c", Libc.class);

  private NativeHeap() {}

  /** Bytes that are not free now, in all arenas and in mappings of their own. */
  static long bytesInUse() {
    MallocInfo info = LIBC.mallinfo2();
    return info.uordblks + info.hblkhd;
  }

  /**
   * Makes malloc return each freed tensor to the system, so that resident memory is what is used.
   */
  static void returnFreedMemory() {
    LIBC.mallopt(M_MMAP_THRESHOLD, SMALLEST_MAPPING);
    LIBC.mallopt(M_MMAP_MAX, 1 << 20);
  }

  /** Returns what is free to the system. */
  static void trim() {
    LIBC.malloc_trim(0);
  }

  /** The part of the C library that is called. */
  interface Libc extends Library {
    /** glibc 2.33 and later. */
    MallocInfo mallinfo2();

    /** Returns free memory to the system. */
    @CanIgnoreReturnValue
    int malloc_trim(long pad);

    /** Sets a parameter of malloc. */
    @CanIgnoreReturnValue
    int mallopt(int parameter, int value);
  }

  /** {@code struct mallinfo2}. */
  @SuppressWarnings("unused") // the native side fills and counts them
  public static final class MallocInfo extends Structure implements Structure.ByValue {
    public long arena;
    public long ordblks;
    public long smblks;
    public long hblks;
    public long hblkhd;
    public long usmblks;
    public long fsmblks;
    public long uordblks;
    public long fordblks;
    public long keepcost;

    @Override
    protected List<String> getFieldOrder() {
      return List.of(
          "arena",
          "ordblks",
          "smblks",
          "hblks",
          "hblkhd",
          "usmblks",
          "fsmblks",
          "uordblks",
          "fordblks",
          "keepcost");
    }
  }
}
