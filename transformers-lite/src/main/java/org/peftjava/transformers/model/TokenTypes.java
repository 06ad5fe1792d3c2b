package org.peftjava.transformers.model;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/** The segments of tokens. */
public final class TokenTypes {
  private TokenTypes() {}

  /** The given segments (b, t), each checked to be below {@code count}; or one 0 for all. */
  public static Tensor of(@Nullable Tensor ids, int count, Device device) {
    if (ids == null) {
      return Creation.zeros(DType.INT64, device, 1, 1);
    }
    long lowest = ids.min().toLong();
    long highest = ids.max().toLong();
    if (lowest < 0 || highest >= count) {
      throw new IllegalArgumentException(
          "tokenTypeIds contain "
              + (lowest < 0 ? lowest : highest)
              + ". Expected 0 to "
              + (count - 1)
              + " (type_vocab_size is "
              + count
              + ").");
    }
    return ids;
  }
}
