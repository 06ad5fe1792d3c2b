package org.peftjava.quant;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.CustomGradient;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * A linear layer over a quantized weight: {@code y = x W^T + b}, computed in the compute type and
 * returned in x's type.
 *
 * <p>The weight is made dense for each product and let go again, in the forward and once more in
 * the backward pass, so that between the two nothing but the packed weight is alive. It is never
 * trained; a bias may be.
 *
 * <p>The backward pass multiplies by the weight as {@link QuantizedWeight#dtype} holds it: a matrix
 * that was quantized from bfloat16 and is computed in float32 is rounded to bfloat16 there.
 * Reference: {@code bitsandbytes.nn.Linear4bit.forward} and {@code
 * bitsandbytes.autograd._functions.MatMul4Bit}.
 */
public final class QuantizedLinear extends Module implements LinearLayer {
  private final QuantizedWeight weight;
  private final @Nullable Parameter bias;
  private final DType computeDtype;

  /**
   * A layer that takes over the weight and the bias.
   *
   * @param bias (o), or null
   * @param computeDtype the floating-point type of the product
   */
  public QuantizedLinear(QuantizedWeight weight, @Nullable Parameter bias, DType computeDtype) {
    if (!computeDtype.isFloatingPoint()) {
      throw new IllegalArgumentException(
          "The compute type of a quantized layer is "
              + computeDtype
              + ". Expected float32, bfloat16, float16 or float64.");
    }
    this.weight = weight;
    this.computeDtype = computeDtype;
    if (bias != null && !bias.shape().equals(Shape.of(outFeatures()))) {
      throw new IllegalArgumentException(
          "A bias of shape "
              + bias.shape()
              + " does not fit a weight of shape "
              + weight.shape()
              + ". Expected ["
              + outFeatures()
              + "].");
    }
    weight
        .state()
        .forEach(
            (name, tensor) -> {
              if (name.contains(".")) {
                registerBuffer(name, tensor);
              } else {
                tensor.requiresGrad(false);
                register(name, tensor);
              }
            });
    this.bias = bias == null ? null : register("bias", bias);
  }

  /** The weight as it is stored. */
  public QuantizedWeight weight() {
    return weight;
  }

  @Override
  public Tensor forward(Tensor x) {
    check(x);
    Tensor input = x.to(computeDtype);
    List<Tensor> inputs = new ArrayList<>(List.of(input));
    if (bias != null) {
      inputs.add(bias.tensor().to(computeDtype));
    }
    Tensor value;
    try (TensorScope scope = TensorScope.open("quantized linear");
        GradMode off = GradMode.noGrad()) {
      Tensor dense = weight.dequantize(computeDtype);
      value = scope.keep(MatrixOps.linear(input, dense, bias == null ? null : inputs.get(1)));
    }
    boolean needsX = input.requiresGrad();
    boolean needsBias = bias != null && bias.requiresGrad();
    return CustomGradient.of(
            value, inputs, List.of(), (gradient, saved) -> backward(gradient, needsX, needsBias))
        .to(x.dtype());
  }

  private List<@Nullable Tensor> backward(Tensor gradient, boolean needsX, boolean needsBias) {
    List<@Nullable Tensor> result = new ArrayList<>();
    result.add(needsX ? gradientOfX(gradient) : null);
    if (bias != null) {
      result.add(needsBias ? gradient.reshape(-1, outFeatures()).sum(0) : null);
    }
    return result;
  }

  private Tensor gradientOfX(Tensor gradient) {
    try (TensorScope scope = TensorScope.open("quantized linear backward")) {
      Tensor dense = weight.dequantize(weight.dtype()).to(gradient.dtype());
      return scope.keep(MatrixOps.inputGradient(gradient, dense));
    }
  }

  private void check(Tensor x) {
    if (!x.dtype().isFloatingPoint()) {
      throw new IllegalArgumentException(
          "The input of a quantized layer has type "
              + x.dtype()
              + ". Expected a floating-point type. Convert it with x.to(DType."
              + computeDtype.name()
              + ").");
    }
    if (x.rank() == 0 || x.size(-1) != inFeatures()) {
      throw new IllegalArgumentException(
          "The input of a quantized layer has shape "
              + x.shape()
              + ". Expected [..., "
              + inFeatures()
              + "], for a weight of shape "
              + weight.shape()
              + ".");
    }
  }

  @Override
  public long inFeatures() {
    return weight.shape().get(1);
  }

  @Override
  public long outFeatures() {
    return weight.shape().get(0);
  }

  @Override
  public Tensor denseWeight(DType type) {
    return weight.dequantize(type);
  }

  @Override
  public void replaceWeight(Tensor dense) {
    weight.requantize(dense);
    Map<String, Parameter> registered = ownBuffers();
    weight
        .state()
        .forEach(
            (name, tensor) -> {
              if (registered.containsKey(name) && registered.get(name) != tensor) {
                replaceBuffer(name, tensor);
              }
            });
  }

  @Override
  public Optional<Parameter> bias() {
    return Optional.ofNullable(bias);
  }

  @Override
  public DType computeDtype() {
    return computeDtype;
  }
}
