package org.peftjava.quant.bnb;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.kernels.FourBitRule;

/**
 * The numbers in [-1, 1] that the codes of a format stand for, and the rule that picks the nearest.
 *
 * <p>The rule is that of bitsandbytes' CUDA kernels (csrc/kernels.cu: dQuantizeNF4, dQuantizeFP4,
 * dQuantize): the number of thresholds below x, so that x equal to a threshold takes the lower
 * code. Its CPU build differs in FP4, whose sign it drops near zero and whose thresholds it has in
 * more digits, and in the 8-bit map, where it looks x up in 65,536 bins. Golden data: {@code
 * codebooks.safetensors}.
 */
public final class CodeBook {
  /**
   * NormalFloat4: {@code bitsandbytes.functional.get_4bit_type("nf4")}; arXiv:2305.14314, app. E.
   */
  public static final CodeBook NF4 = nf4();

  /**
   * {@code bitsandbytes.functional.get_4bit_type("fp4")}: twelfths of 0, 1/16, 8, 12, 4, 6, 2, 3.
   */
  public static final CodeBook FP4 = fp4();

  /**
   * The signed map with a dynamic exponent, for statistics: {@code
   * bitsandbytes.functional.create_dynamic_map()}; arXiv:1511.04561.
   */
  public static final CodeBook DYNAMIC = new DynamicMap(true).codeBook();

  /** The same for numbers that are not negative: {@code create_dynamic_map(signed=False)}. */
  public static final CodeBook DYNAMIC_UNSIGNED = new DynamicMap(false).codeBook();

  private final int bits;
  private final float[] values;
  private final float[] thresholds;
  private final long @Nullable [] magnitudes;

  private CodeBook(int bits, float[] values, float[] thresholds, long @Nullable [] magnitudes) {
    this.bits = bits;
    this.values = values;
    this.thresholds = thresholds;
    this.magnitudes = magnitudes;
  }

  /** A book whose values ascend with the code. */
  static CodeBook ascending(int bits, float[] values, float[] thresholds) {
    return new CodeBook(bits, values, thresholds, null);
  }

  /** Bits of a code: 4, with two codes in a byte, or 8. */
  public int bits() {
    return bits;
  }

  /** The value of each code, float32 (2^bits), on the CPU, owned by the current scope. */
  public Tensor values() {
    return Creation.ofFloats(values, values.length);
  }

  /** The value of each code. */
  float[] valueArray() {
    return values.clone();
  }

  /** The thresholds, and infinity after them: as many as there are codes. */
  float[] limits() {
    float[] result = new float[1 << bits];
    Arrays.fill(result, Float.POSITIVE_INFINITY);
    System.arraycopy(thresholds, 0, result, 0, thresholds.length);
    return result;
  }

  /**
   * The 4-bit code for each number of thresholds below, four bits each, the first in the low ones.
   */
  long codesInOrder() {
    long result = 0;
    for (int i = 0; i <= thresholds.length; i++) {
      result |= (magnitudes == null ? i : magnitudes[i]) << (4 * i);
    }
    return result;
  }

  /** Whether thresholds are for |x|, and the highest bit of a code is the sign. */
  boolean comparesMagnitudes() {
    return magnitudes != null;
  }

  /** Throws if a table from a file is not this one; -0 counts as 0. */
  void checkEqual(String name, Tensor table) {
    float[] given = table.toFloats();
    for (int code = 0; code < values.length; code++) {
      if (given[code] != values[code]) {
        throw new IllegalArgumentException(
            name
                + " says that code "
                + code
                + " stands for "
                + given[code]
                + ", but in its format it stands for "
                + values[code]
                + ". The file is damaged, or its codes mean something else.");
      }
    }
  }

  /** The code of the value 0. */
  int zero() {
    for (int code = 0; code < values.length; code++) {
      if (values[code] == 0) {
        return code;
      }
    }
    throw new IllegalStateException("a code book without 0");
  }

  /** The rule of a 4-bit book for the native kernels. */
  FourBitRule rule() {
    byte[] codes = new byte[thresholds.length + 1];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (magnitudes == null ? i : magnitudes[i]);
    }
    return new FourBitRule(thresholds, codes, magnitudes != null, zero());
  }

  /** The code nearest to each element of the float32 vector {@code x}, as int32. */
  Tensor nearest(Tensor x) {
    Tensor limits = Creation.ofFloats(thresholds, thresholds.length).to(x.device());
    if (magnitudes == null) {
      return Ops.bucketize(x, limits);
    }
    Tensor codes = Creation.ofLongs(magnitudes, magnitudes.length).to(DType.INT32).to(x.device());
    Tensor sign = x.neg().gt(0).to(DType.INT32).mul(magnitudes.length);
    return codes.indexSelect(0, Ops.bucketize(x.abs(), limits)).add(sign);
  }

  private static CodeBook nf4() {
    float[] values = {
      -1.0f,
      -0.6961928f,
      -0.52507305f,
      -0.3949175f,
      -0.28444138f,
      -0.18477343f,
      -0.091050036f,
      0.0f,
      0.0795803f,
      0.1609302f,
      0.2461123f,
      0.33791524f,
      0.44070983f,
      0.562617f,
      0.72295684f,
      1.0f
    };
    return ascending(4, values, midpoints(values));
  }

  /** The sign is bit 3; the magnitudes do not ascend with the other bits. */
  private static CodeBook fp4() {
    float[] twelfths = {0, 0.0625f, 8, 12, 4, 6, 2, 3};
    long[] ascending = {0, 1, 6, 7, 4, 5, 2, 3};
    float[] thresholds = {
      0.00260417f, 0.0859375f, 0.20833333f, 0.29166666f, 0.4166667f, 0.583333f, 0.8333333f
    };
    float[] values = new float[16];
    for (int code = 0; code < 8; code++) {
      values[code] = twelfths[code] / 12;
      values[code + 8] = code == 0 ? 0 : -values[code];
    }
    return new CodeBook(4, values, thresholds, ascending);
  }

  /** The numbers half-way between neighbours, rounded to float. */
  static float[] midpoints(float[] ascending) {
    float[] result = new float[ascending.length - 1];
    for (int i = 0; i < result.length; i++) {
      result[i] = (ascending[i] + ascending[i + 1]) / 2;
    }
    return result;
  }
}
