package org.peftjava.torch.optim;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalDouble;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.GradientNormKernel;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.runtime.NativeRuntime;

/** What is done to gradients between the backward pass and the optimizer step. */
public final class Gradients {
  private Gradients() {}

  /**
   * Scales all gradients down together so that their common norm is at most {@code maxNorm}.
   * Reference: {@code torch.nn.utils.clip_grad_norm_}.
   *
   * @param maxNorm above 0; infinite to measure only
   * @return the norm before
   */
  public static double clipGradNorm(Collection<Parameter> parameters, double maxNorm) {
    if (!(maxNorm > 0)) {
      throw new IllegalArgumentException("maxNorm must be positive, got " + maxNorm + ".");
    }
    try (TensorScope scope = TensorScope.open("clip");
        GradMode off = GradMode.noGrad()) {
      List<Tensor> gradients = new ArrayList<>();
      parameters.forEach(p -> p.tensor().grad().ifPresent(gradients::add));
      if (gradients.isEmpty()) {
        return 0;
      }
      double norm = norm(gradients);
      double factor = maxNorm / (norm + 1e-6);
      if (factor < 1 && !CardOptimizer.scale(gradients, factor)) {
        gradients.forEach(gradient -> gradient.mulInPlace(factor));
      }
      return norm;
    }
  }

  private static double norm(List<Tensor> gradients) {
    OptionalDouble onCards = CardOptimizer.squaredNorm(gradients);
    if (onCards.isPresent()) {
      return Math.sqrt(onCards.getAsDouble());
    }
    if (gradients.stream().allMatch(g -> FusedAdamW.covers(g, g))) {
      long[] addresses = gradients.stream().mapToLong(Tensor::address).toArray();
      long[] counts = gradients.stream().mapToLong(Tensor::numel).toArray();
      return Math.sqrt(
          GradientNormKernel.squaredNorm(
              ElementType.FLOAT32, addresses, counts, NativeRuntime.threads()));
    }
    List<Tensor> squares = new ArrayList<>();
    for (Tensor gradient : gradients) {
      Tensor wide = gradient.to(DType.FLOAT32);
      squares.add(wide.mul(wide).sum().to(gradients.get(0).device()));
    }
    return Math.sqrt(Creation.stack(squares, 0).sum().toDouble());
  }
}
