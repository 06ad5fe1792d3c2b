package org.peftjava.transformers.model;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * The positions of tokens in a padded batch: counted over the unpadded tokens of each row, -1 for
 * padding.
 */
public final class Positions {
  private Positions() {}

  /**
   * The positions (b, t) of the tokens given now: those of the input, else {@code cumsum(mask) *
   * mask - 1}. Each is checked to be below {@code limit}.
   */
  public static Tensor of(BackboneInput input, long limit) {
    try (TensorScope scope = TensorScope.open("positions")) {
      Tensor positions = input.positionIds();
      Tensor mask = input.attentionMask();
      if (positions == null) {
        if (mask == null) {
          throw new IllegalArgumentException(
              "Positions need a mask. Without padding use a range of positions.");
        }
        positions =
            mask.cumsum(1)
                .mul(mask)
                .add(-1)
                .narrow(1, input.pastLength(), input.tokens())
                .to(DType.INT64);
      }
      long lowest = positions.min().toLong();
      if (lowest < -1) {
        throw new IllegalArgumentException(
            "positionIds contain "
                + lowest
                + ". Expected 0 to "
                + (limit - 1)
                + ", or -1 for padding.");
      }
      checkLength(positions.max().toLong() + 1, limit);
      return scope.keep(positions);
    }
  }

  /** Checks that a sequence of this length has positions. */
  public static void checkLength(long length, long limit) {
    if (length > limit) {
      throw new IllegalArgumentException(
          "The sequence has "
              + length
              + " tokens, but the model has positions for "
              + limit
              + " (max_position_embeddings). Truncate the input.");
    }
  }
}
