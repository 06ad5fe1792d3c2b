package org.peftjava.transformers.model.t5;

import java.util.List;
import org.peftjava.torch.Checkpoint;
import org.peftjava.torch.DType;
import org.peftjava.torch.FusedOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.NormLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * Scales vectors to a mean square of 1, without shifting: {@code x / sqrt(mean(x^2) + eps) * w}.
 *
 * <p>Reference: {@code T5LayerNorm}. The mean square is computed in float32; the result has the
 * weight's type, also where float16 models hand in float32 (see {@link T5Dense}).
 */
final class T5LayerNorm extends Module implements NormLayer {
  private final Parameter weight;
  private final double eps;

  T5LayerNorm(T5Config config, DType dtype) {
    this(
        config.dModel(),
        config.layerNormEpsilon(),
        Init.constant(config.initializerFactor()),
        dtype);
  }

  private T5LayerNorm(long size, double eps, Init init, DType dtype) {
    this.eps = eps;
    weight = register("weight", new Parameter(Shape.of(size), dtype, init));
  }

  @Override
  public T5LayerNorm emptyCopy() {
    return new T5LayerNorm(weight.numel(), eps, Init.ones(), weight.dtype());
  }

  @Override
  public Tensor forward(Tensor x) {
    Tensor scale = weight.tensor();
    if (x.dtype() == scale.dtype() && FusedOps.coversRmsNorm(x, scale)) {
      return FusedOps.rmsNorm(x, scale, eps);
    }
    boolean trained = weight.requiresGrad() || x.requiresGrad();
    return trained ? Checkpoint.cheap(in -> normed(in.get(0)), List.of(x)) : normed(x);
  }

  private Tensor normed(Tensor x) {
    try (TensorScope scope = TensorScope.open("layer_norm")) {
      Tensor scaled = Ops.rmsNorm(x.to(DType.FLOAT32), null, eps);
      return scope.keep(scaled.to(weight.dtype()).mul(weight.tensor()));
    }
  }
}
