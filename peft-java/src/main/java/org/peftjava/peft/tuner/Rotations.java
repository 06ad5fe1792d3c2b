package org.peftjava.peft.tuner;

import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;

/**
 * Rotations of blocks of features, which the orthogonal methods (OFT, BOFT) consist of.
 *
 * <p>Shapes: n blocks of b features; R (n, b, b), or (1, b, b) for all blocks alike.
 */
public final class Rotations {
  private Rotations() {}

  /**
   * Skew-symmetric matrices from what stands above their diagonals, row by row.
   *
   * @param upper (n, b(b-1)/2)
   * @return (n, b, b)
   */
  public static Tensor skew(Tensor upper, int b) {
    long n = upper.size(0);
    Tensor zero = Creation.zeros(upper.dtype(), upper.device(), n, 1);
    Tensor places = Creation.ofLongs(skewPlaces(b), (long) b * b).to(upper.device());
    return Creation.cat(List.of(upper, upper.neg(), zero), 1)
        .indexSelect(1, places)
        .reshape(n, b, b);
  }

  /** Where each element comes from: the upper values, the same negated, a zero. */
  private static long[] skewPlaces(int b) {
    int half = b * (b - 1) / 2;
    long[] places = new long[b * b];
    int next = 0;
    for (int row = 0; row < b; row++) {
      places[row * b + row] = 2L * half;
      for (int column = row + 1; column < b; column++) {
        places[row * b + column] = next;
        places[column * b + row] = (long) half + next;
        next++;
      }
    }
    return places;
  }

  /** The rotations {@code (I - Q) (I + Q)^-1} of skew-symmetric Q (n, b, b). */
  public static Tensor cayley(Tensor q) {
    Tensor identity = identity(q);
    return LinearAlgebra.solve(identity.add(q).transpose(1, 2), identity.sub(q).transpose(1, 2))
        .transpose(1, 2);
  }

  /**
   * The same as a series cut off after some terms: {@code I + 2Q + 2Q^2 + ... + Q^(terms-1)}.
   *
   * <p>Reference: PEFT {@code oft/layer.py::OFTRotationModule._cayley_batch}, with its count of
   * terms: 3 and 4 give the same.
   */
  public static Tensor cayleySeries(Tensor q, int terms) {
    Tensor result = identity(q);
    if (terms > 1) {
      result = result.add(q, 2);
    }
    if (terms > 2) {
      Tensor power = q.matmul(q);
      result = result.add(power, 2);
      for (int term = 3; term < terms - 1; term++) {
        power = power.matmul(q);
        result = result.add(power, 2);
      }
      result = result.add(power.matmul(q));
    }
    return result;
  }

  private static Tensor identity(Tensor like) {
    return LinearAlgebra.identity(like.dtype(), like.device(), like.size(-1));
  }

  /** {@code x diag(R)}: each block of the last dimension (n b) times its R. */
  public static Tensor rotate(Tensor x, Tensor r) {
    long b = r.size(-1);
    Tensor rotated;
    if (r.size(0) == 1) {
      rotated = x.reshape(-1, b).matmul(r.reshape(b, b));
    } else {
      rotated = x.reshape(-1, r.size(0), b).transpose(0, 1).matmul(r).transpose(0, 1);
    }
    return rotated.reshape(x.shape().toArray());
  }
}
