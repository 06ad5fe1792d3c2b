package org.peftjava.it;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Structure;
import java.util.List;

/** Bytes that malloc has given out in this process: what tensors take, to the byte. */
final class NativeHeap {
  private static final Libc LIBC = Native.load("c", Libc.class);

  private NativeHeap() {}

  /** Bytes that are not free now, in all arenas and in mappings of their own. */
  static long bytesInUse() {
    MallocInfo info = LIBC.mallinfo2();
    return info.uordblks + info.hblkhd;
  }

  /** The part of the C library that is called. */
  interface Libc extends Library {
    /** glibc 2.33 and later. */
    MallocInfo mallinfo2();
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
