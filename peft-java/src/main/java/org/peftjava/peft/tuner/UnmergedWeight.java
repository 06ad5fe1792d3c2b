package org.peftjava.peft.tuner;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * A copy of a weight without any adapter, kept while one is merged whose change depends on the
 * weight.
 */
public final class UnmergedWeight {
  private byte @Nullable [] bytes;

  /** Keeps a copy, as {@link LayerAdapter#prepareMerge} gives it. */
  public void keep(Supplier<Tensor> weight) {
    bytes = weight.get().contiguous().viewAs(DType.UINT8).toBytes();
  }

  /** The copy, with the shape, type and device of another weight. */
  public Tensor like(Tensor weight) {
    byte[] kept = bytes;
    if (kept == null) {
      throw new IllegalStateException("The adapter is not merged.");
    }
    return Creation.ofBytes(kept, kept.length)
        .viewAs(weight.dtype())
        .reshape(weight.shape().toArray())
        .to(weight.device());
  }

  /** Forgets the copy. */
  public void drop() {
    bytes = null;
  }
}
