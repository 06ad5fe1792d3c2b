package org.peftjava.peft.tuner;

import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;

/**
 * The rows of a batch for which one adapter acts.
 *
 * @param adapter its name
 * @param rows their numbers, ascending
 * @param blocks the same rows
 */
record RowGroup(String adapter, long[] rows, List<RowBlock> blocks) {
  RowGroup(String adapter, long[] rows) {
    this(adapter, rows, RowBlock.of(rows));
  }

  /** Whether the rows stand one after the other, so that they are a part of memory. */
  private boolean isOneBlock() {
    return blocks.size() == 1;
  }

  private Tensor index(Tensor like) {
    return Creation.ofLongs(rows, rows.length).to(like.device());
  }

  /** These rows of x (n, ...): a view of it where they are one block. */
  Tensor of(Tensor x) {
    return isOneBlock() ? x.narrow(0, rows[0], rows.length) : x.indexSelect(0, index(x));
  }

  /** Overwrites these rows of x (n, ...), outside the graph. */
  void put(Tensor x, Tensor values) {
    if (!isOneBlock()) {
      x.indexCopyInPlace(0, index(x), values.to(x.dtype()));
      return;
    }
    Tensor place = of(x);
    if (place.address() != values.address()) {
      place.copyInPlace(values);
    }
  }
}
