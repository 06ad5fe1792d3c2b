package org.peftjava.torch.kernels;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** An instruction set that the kernels are compiled for, from the most general to the fastest. */
public enum KernelIsa {
  /** Standard C++: any processor. */
  SCALAR,
  /** x86-64 with AVX2 and FMA. */
  AVX2,
  /** x86-64 with AVX-512 F, BW, DQ and VL. */
  AVX512,
  /** The same with VNNI: products of 8-bit integers. */
  AVX512_VNNI,
  /** The same with BF16 and AMX: products of bfloat16 tiles. */
  AMX;

  /** The name that {@code -Dpeftjava.kernels.isa} takes. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The instruction set with this {@link #id()}. */
  static Optional<KernelIsa> of(String id) {
    return Arrays.stream(values()).filter(isa -> isa.id().equals(id)).findFirst();
  }

  /** The code that instruction_sets.h gives this level. */
  int code() {
    return switch (this) {
      case SCALAR -> 0;
      case AVX2 -> 1;
      case AVX512 -> 2;
      case AVX512_VNNI -> 3;
      case AMX -> 4;
    };
  }
}
