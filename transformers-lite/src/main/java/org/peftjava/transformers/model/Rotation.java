package org.peftjava.transformers.model;

import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Rotations;
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
      Tensor turned = Rotations.apply(turning, cos, sin);
      return scope.keep(
          rest == 0 ? turned : Creation.cat(List.of(turned, x.narrow(-1, rotated, rest)), -1));
    }
  }

  /** The same, where elements 2 i and 2 i + 1 turn together instead of those of the halves. */
  Tensor applyToPairs(Tensor x) {
    try (TensorScope scope = TensorScope.open("rotate pairs")) {
      long rotated = cos.size(-1);
      long rest = x.size(-1) - rotated;
      Tensor turning = rest == 0 ? x : x.narrow(-1, 0, rotated);
      Tensor turned = swapped(apply(swapped(turning, rotated / 2, 2)), 2, rotated / 2);
      return scope.keep(
          rest == 0 ? turned : Creation.cat(List.of(turned, x.narrow(-1, rotated, rest)), -1));
    }
  }

  /** The last axis seen as (rows, columns), and turned around. */
  private static Tensor swapped(Tensor x, long rows, long columns) {
    return x.reshape(x.size(0), x.size(1), x.size(2), rows, columns)
        .transpose(3, 4)
        .reshape(x.size(0), x.size(1), x.size(2), rows * columns);
  }

  /** That of the position (1), int64, that a tensor holds. */
  Rotation at(Tensor position) {
    return new Rotation(cos.indexSelect(2, position), sin.indexSelect(2, position));
  }

  /** The part for t positions from {@code start} on: views. */
  Rotation narrow(long start, long length) {
    return new Rotation(cos.narrow(2, start, length), sin.narrow(2, start, length));
  }
}
