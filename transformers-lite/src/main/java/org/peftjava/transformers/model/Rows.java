package org.peftjava.transformers.model;

import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** The first dimension of tensors that a session of decoding owns. */
public final class Rows {
  private Rows() {}

  /**
   * A tensor that has each row {@code copies} times in a row, as for beams of one prompt; the given
   * one is closed.
   *
   * @param owned (b, ...), of no scope
   * @return (b copies, ...), of no scope: the caller closes it
   */
  public static Tensor replaceByCopies(Tensor owned, int copies) {
    try (TensorScope scope = TensorScope.open("rows");
        GradMode off = GradMode.noGrad()) {
      long[] sizes = owned.shape().toArray();
      long[] expanded = new long[sizes.length + 1];
      System.arraycopy(sizes, 1, expanded, 2, sizes.length - 1);
      expanded[0] = sizes[0];
      expanded[1] = copies;
      sizes[0] *= copies;
      Tensor more = owned.unsqueeze(1).expand(expanded).reshape(sizes);
      // one row's copies may be a view of it
      Tensor result = more.isContiguous() ? more.copy() : more.contiguous();
      owned.close();
      return result.escape();
    }
  }
}
