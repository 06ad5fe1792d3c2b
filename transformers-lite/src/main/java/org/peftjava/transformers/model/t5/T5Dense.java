package org.peftjava.transformers.model.t5;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * The feed-forward block: {@code wo(act(wi(x)))}, or {@code wo(act(wi_0(x)) * wi_1(x))} with a
 * gate.
 *
 * <p>Reference: {@code T5DenseActDense}, {@code T5DenseGatedActDense}. In a float16 model {@code
 * wo} stays in float32, whose products would not fit float16.
 */
final class T5Dense extends Module {
  private final Slot<LinearLayer> wi;
  private final @Nullable Slot<LinearLayer> gated;
  private final Slot<LinearLayer> wo;
  private final Activation activation;
  private final double dropout;

  T5Dense(T5Config config, DType dtype) {
    T5Activation kind = T5Activation.parse(config.feedForwardProj());
    dropout = config.dropoutRate();
    long model = config.dModel();
    long inner = config.dFf();
    double factor = config.initializerFactor();
    wi = linear(kind.gated() ? "wi_0" : "wi", model, inner, factor, dtype);
    gated = kind.gated() ? linear("wi_1", model, inner, factor, dtype) : null;
    wo = linear("wo", inner, model, factor, dtype == DType.FLOAT16 ? DType.FLOAT32 : dtype);
    activation = child("act", kind.activation());
  }

  private Slot<LinearLayer> linear(String name, long in, long out, double factor, DType dtype) {
    return child(name, LinearLayer.class, T5Weights.linear(in, out, factor / Math.sqrt(in), dtype));
  }

  /** Maps x (b, t, e) to (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("DenseReluDense")) {
      Tensor inner = wi.get().forward(x);
      inner =
          gated == null
              ? activation.forward(inner)
              : activation.product(inner, gated.get().forward(x));
      if (isTraining()) {
        inner = Dropouts.dropout(inner, dropout);
      }
      LinearLayer last = wo.get();
      return scope.keep(last.forward(inner.to(last.computeDtype())));
    }
  }
}
