package org.peftjava.transformers.model;

import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * Turns pairs of elements of queries and keys by angles that grow with the position: element i of
 * the first half with element i of the second.
 *
 * <p>Reference: {@code apply_rotary_pos_emb}. Letters: {@code r} rotated elements, at most {@code
 * d}, the size of a head.
 *
 * @param cos (b or 1, 1, t, r), cosines
 * @param sin (b or 1, 1, t, r), sines, of which the first half is negated
 */
public record Rotation(Tensor cos, Tensor sin) {
  /** Rotates the first r elements of x (b, h, t, d). */
  Tensor apply(Tensor x) {
    try (TensorScope scope = TensorScope.open("rotate")) {
      long rotated = cos.size(-1);
      long rest = x.size(-1) - rotated;
      Tensor turning = rest == 0 ? x : x.narrow(-1, 0, rotated);
      Tensor turned = turning.mul(cos).addcmulInPlace(Ops.roll(turning, rotated / 2), sin, 1);
      return scope.keep(
          rest == 0 ? turned : Creation.cat(List.of(turned, x.narrow(-1, rotated, rest)), -1));
    }
  }

  /** The part for t positions from {@code start} on: views. */
  Rotation narrow(long start, long length) {
    return new Rotation(cos.narrow(2, start, length), sin.narrow(2, start, length));
  }
}
