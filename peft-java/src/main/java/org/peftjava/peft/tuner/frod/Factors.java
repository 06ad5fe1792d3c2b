package org.peftjava.peft.tuner.frod;

import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.TorchException;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * The weight of a layer in the shared basis: {@code W = U diag(l) V^T}, with columns of length 1 in
 * U (o, d). U belongs to V: when a file has brought another V, it is computed anew.
 *
 * <p>Reference: PEFT {@code FrodLayer._calculate_frod_u_and_lambda}, which keeps the U of the basis
 * that it made itself.
 */
final class Factors {
  private static final double SHORTEST = 1e-12;
  private static final double SMALLEST = 1e-6; // singular values of a basis that has no inverse

  private final LinearLayer layer;
  private final Parameter basis;
  private final Parameter left;
  private long version = -1; // of the basis

  private Factors(LinearLayer layer, Parameter basis, Parameter left) {
    this.layer = layer;
    this.basis = basis;
    this.left = left;
  }

  /** Those of a layer, not computed yet. */
  static Factors of(LinearLayer layer, DType type, Device device, Parameter basis) {
    Parameter left =
        new Parameter(
            Shape.of(layer.outFeatures(), layer.inFeatures()), DType.FLOAT32, Init.zeros());
    left.initialize();
    left.to(type);
    left.to(device);
    left.requiresGrad(false);
    return new Factors(layer, basis, left);
  }

  /** Where U is kept. */
  Parameter parameter() {
    return left;
  }

  /** V (d, d). */
  Tensor basis() {
    return basis.tensor();
  }

  /** U, of the present basis. */
  synchronized Tensor left() {
    if (version != basis.tensor().version()) {
      compute();
    }
    return left.tensor();
  }

  /** Computes U and returns l (d), float32. */
  synchronized Tensor compute() {
    try (TensorScope scope = TensorScope.open("frod factors");
        GradMode off = GradMode.noGrad()) {
      Tensor weight = layer.denseWeight(DType.FLOAT32).to(Device.CPU).to(DType.FLOAT64);
      Tensor v = basis.tensor().detach().to(Device.CPU).to(DType.FLOAT64);
      Tensor product = product(weight, v);
      Tensor lengths = product.pow(2).sum(0).sqrt();
      Tensor divisor = lengths.maskedFill(lengths.lt(SHORTEST), Double.POSITIVE_INFINITY);
      left.copyFrom(product.div(divisor).to(DType.FLOAT32));
      version = basis.tensor().version();
      return scope.keep(lengths.to(DType.FLOAT32));
    }
  }

  /** {@code W V^-T} (o, d). */
  private static Tensor product(Tensor weight, Tensor v) {
    try {
      return LinearAlgebra.solve(v, weight.t()).t();
    } catch (TorchException e) { // no inverse: rank-deficient weights
      return weight.matmul(LinearAlgebra.pseudoInverse(v, SMALLEST).t());
    }
  }
}
