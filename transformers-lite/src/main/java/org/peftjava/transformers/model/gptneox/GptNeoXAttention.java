package org.peftjava.transformers.model.gptneox;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.RotaryAttention;
import org.peftjava.transformers.model.RotaryContext;
import org.peftjava.transformers.model.RotaryHeads;

/**
 * Multi-head self-attention whose queries, keys and values come from one product, head by head.
 *
 * <p>Reference: {@code GPTNeoXAttention}. Letters: {@code b} batch, {@code t} tokens, {@code h}
 * heads, {@code d} size of a head.
 */
final class GptNeoXAttention extends Module implements RotaryAttention {
  private final RotaryHeads heads;
  private final Slot<LinearLayer> queryKeyValue;
  private final Slot<LinearLayer> dense;

  GptNeoXAttention(RotaryHeads heads, boolean bias, DType dtype) {
    this.heads = heads;
    long size = heads.queryWidth();
    queryKeyValue =
        child("query_key_value", LinearLayer.class, new Linear(size, 3 * size, bias, dtype));
    dense = child("dense", LinearLayer.class, new Linear(size, size, bias, dtype));
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("attention")) {
      Tensor fused = fused(x);
      Tensor mixed =
          heads.attend(part(fused, 0), part(fused, 1), part(fused, 2), context, isTraining());
      return scope.keep(dense.get().forward(mixed));
    }
  }

  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("beside")) {
      Tensor asked = fused(vectors.to(x.dtype()));
      Tensor mixed =
          heads.askBeside(part(fused(x), 0), part(asked, 1), part(asked, 2), gate, context);
      return scope.keep(dense.get().forward(mixed));
    }
  }

  /** (b, t, h, 3, d). */
  private Tensor fused(Tensor x) {
    Tensor all = queryKeyValue.get().forward(x);
    return all.reshape(x.size(0), x.size(1), heads.heads(), 3, heads.headDim());
  }

  /** Queries, keys or values, (b, h, t, d). */
  private static Tensor part(Tensor fused, long index) {
    return fused.select(3, index).transpose(1, 2);
  }
}
