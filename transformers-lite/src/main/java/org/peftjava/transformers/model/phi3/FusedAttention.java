package org.peftjava.transformers.model.phi3;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Attention;
import org.peftjava.transformers.model.RotaryAttention;
import org.peftjava.transformers.model.RotaryContext;
import org.peftjava.transformers.model.RotaryHeads;

/**
 * Grouped-query attention whose queries, keys and values come from one product.
 *
 * <p>Reference: {@code Phi3Attention}. Letters: {@code b} batch, {@code t} tokens, {@code e} hidden
 * size.
 */
final class FusedAttention extends Module implements RotaryAttention {
  private final RotaryHeads heads;
  private final Slot<LinearLayer> oProj;
  private final Slot<LinearLayer> qkvProj;

  FusedAttention(RotaryHeads heads, long hiddenSize, DType dtype) {
    this.heads = heads;
    long queries = heads.queryWidth();
    long all = queries + 2 * heads.keyValueWidth();
    oProj = child("o_proj", LinearLayer.class, new Linear(queries, hiddenSize, false, dtype));
    qkvProj = child("qkv_proj", LinearLayer.class, new Linear(hiddenSize, all, false, dtype));
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("self_attn")) {
      Parts of = parts(x);
      Tensor mixed = heads.attend(of.query, of.key, of.value, context, isTraining());
      return scope.keep(oProj.get().forward(mixed));
    }
  }

  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("beside")) {
      Parts asked = parts(vectors.to(x.dtype()));
      Tensor mixed = heads.askBeside(parts(x).query, asked.key, asked.value, gate, context);
      return scope.keep(oProj.get().forward(mixed));
    }
  }

  /** Queries, keys and values, (b, h, t, d) each. */
  private record Parts(Tensor query, Tensor key, Tensor value) {}

  private Parts parts(Tensor x) {
    Tensor all = qkvProj.get().forward(x);
    long queries = heads.queryWidth();
    long keys = heads.keyValueWidth();
    return new Parts(
        Attention.split(all.narrow(-1, 0, queries), heads.headDim()),
        Attention.split(all.narrow(-1, queries, keys), heads.headDim()),
        Attention.split(all.narrow(-1, queries + keys, keys), heads.headDim()));
  }
}
