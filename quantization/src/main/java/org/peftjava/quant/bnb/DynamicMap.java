package org.peftjava.quant.bnb;

import java.util.Arrays;

/**
 * Builds the 8-bit maps: for each of seven decades twice as many values as in the decade below,
 * evenly spread; 0; and 1. The signed one has each value with both signs, the unsigned one twice as
 * many of them.
 *
 * <p>Reference: {@code bitsandbytes.functional.create_dynamic_map(signed, max_exponent_bits=7,
 * total_bits=8)}, to the bit, with torch's order of operations in {@code linspace}.
 */
final class DynamicMap {
  private static final int DECADES = 7;

  private final boolean signed;

  DynamicMap(boolean signed) {
    this.signed = signed;
  }

  CodeBook codeBook() {
    float[] values = values();
    return CodeBook.ascending(8, values, thresholds(values));
  }

  private float[] values() {
    float[] result = new float[256];
    int next = 0;
    for (int decade = 0; decade < DECADES; decade++) {
      float scale = (float) Math.pow(10, decade - (DECADES - 1));
      for (float mean : CodeBook.midpoints(linspace(signed ? 1 << decade : 2 << decade))) {
        result[next++] = mean * scale;
        if (signed) {
          result[next++] = -mean * scale;
        }
      }
    }
    result[next++] = 0;
    result[next] = 1;
    Arrays.sort(result);
    return result;
  }

  /** {@code torch.linspace(0.1, 1, parts + 1)}: from both ends towards the middle. */
  private static float[] linspace(int parts) {
    float start = 0.1f;
    float step = (1 - start) / parts;
    float[] result = new float[parts + 1];
    for (int i = 0; i <= parts; i++) {
      result[i] = i < (parts + 1) / 2 ? Math.fma(step, i, start) : Math.fma(-step, parts - i, 1.0f);
    }
    return result;
  }

  /**
   * The CUDA kernel ends its binary search at an even code, and leaves it only for a neighbour that
   * is nearer: half-way between two codes it takes the even one, which may be the upper.
   *
   * <p>What is above 0 never gets the unsigned map's code of 0, as in bitsandbytes' CPU build and
   * unlike CUDA: a second moment that becomes 0 lets Adam divide by what the next gradient makes
   * it, and take steps of hundreds of learning rates.
   */
  private float[] thresholds(float[] values) {
    float[] result = CodeBook.midpoints(values);
    for (int lower = 1; lower < result.length; lower += 2) {
      result[lower] = Math.nextDown(result[lower]);
    }
    if (!signed) {
      result[0] = 0;
    }
    return result;
  }
}
