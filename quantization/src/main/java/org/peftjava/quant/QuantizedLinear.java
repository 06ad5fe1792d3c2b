package org.peftjava.quant;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.CustomGradient;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * A linear layer over a quantized weight: {@code y = x W^T + b}, returned in x's type.
 *
 * <p>Between the forward and the backward pass nothing but the packed weight is alive: neither x
 * nor a dense weight is saved. The weight is never trained; a bias may be.
 */
public abstract class QuantizedLinear extends Module implements LinearLayer {
  private final QuantizedWeight weight;
  private final @Nullable Parameter bias;
  private boolean storedTransposed;

  /**
   * A layer that takes over the weight and the bias.
   *
   * @param bias (o), or null
   */
  protected QuantizedLinear(QuantizedWeight weight, @Nullable Parameter bias) {
    this.weight = weight;
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
              if (name.equals(QuantizedWeight.WEIGHT)) {
                tensor.requiresGrad(false);
                register(name, tensor);
              } else {
                registerBuffer(name, tensor);
              }
            });
    this.bias = bias == null ? null : register("bias", bias);
  }

  /** Another layer over the same weight and bias. */
  public final QuantizedLinear twin() {
    QuantizedLinear result = twin(bias);
    result.storedTransposed = storedTransposed;
    return result;
  }

  /** The same with the bias given. */
  protected abstract QuantizedLinear twin(@Nullable Parameter sameBias);

  /** The weight as it is stored. */
  public QuantizedWeight weight() {
    return weight;
  }

  /** The type in which the product with an input of this type is computed. */
  protected abstract DType productType(DType inputType);

  @Override
  public final Tensor forward(Tensor x) {
    check(x);
    Tensor input = x.to(productType(x.dtype()));
    List<Tensor> inputs = new ArrayList<>(List.of(input));
    if (bias != null) {
      inputs.add(bias.tensor().to(input.dtype()));
    }
    Tensor value;
    try (TensorScope scope = TensorScope.open("quantized linear");
        GradMode off = GradMode.noGrad()) {
      Tensor y = weight.product(input, bias == null ? null : inputs.get(1), isTraining());
      value = scope.keep(y.detach()); // libtorch may give a view, which cannot get a gradient node
    }
    boolean needsX = input.requiresGrad();
    boolean needsBias = bias != null && bias.requiresGrad();
    return CustomGradient.of(
            value, inputs, List.of(), (gradient, saved) -> backward(gradient, needsX, needsBias))
        .to(x.dtype());
  }

  private List<@Nullable Tensor> backward(Tensor gradient, boolean needsX, boolean needsBias) {
    List<@Nullable Tensor> result = new ArrayList<>();
    result.add(needsX ? weight.inputGradient(gradient) : null);
    if (bias != null) {
      result.add(needsBias ? gradient.reshape(-1, outFeatures()).sum(0) : null);
    }
    return result;
  }

  private void check(Tensor x) {
    if (!x.dtype().isFloatingPoint()) {
      throw new IllegalArgumentException(
          "The input of a quantized layer has type "
              + x.dtype()
              + ". Expected a floating-point type. Convert it with x.to(DType."
              + computeDtype().name()
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
  public final long inFeatures() {
    return weight.shape().get(1);
  }

  @Override
  public final long outFeatures() {
    return weight.shape().get(0);
  }

  @Override
  public final Tensor denseWeight(DType type) {
    return weight.dequantize(type);
  }

  @Override
  public final void replaceWeight(Tensor dense) {
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
  public final Optional<Parameter> bias() {
    return Optional.ofNullable(bias);
  }

  /**
   * A dense layer with the values that this one stands for, and with its bias. The quantized weight
   * is freed.
   */
  public final Module toDense(DType type) {
    Module dense = denseLayer(type);
    if (bias != null) {
      bias.to(type);
      dense.share("bias", bias);
    }
    weight.close();
    return dense;
  }

  @Override
  public final Optional<Module> denseCopy(DType type) {
    Module dense = denseLayer(type);
    if (bias != null) {
      try (TensorScope scope = TensorScope.open("dense bias")) {
        Parameter copy = Objects.requireNonNull(dense.namedState().get("bias"));
        copy.adopt(bias.tensor().detach().to(type).copy());
      }
    }
    return Optional.of(dense);
  }

  /** The dense layer with its weight; its bias has no memory yet. */
  private Module denseLayer(DType type) {
    Module dense =
        storedTransposed
            ? new Conv1D(inFeatures(), outFeatures(), type)
            : new Linear(inFeatures(), outFeatures(), bias != null, type);
    try (TensorScope scope = TensorScope.open("dequantize")) {
      Tensor values = weight.dequantize(type);
      Parameter target = LayerReplacement.weight(dense);
      target.adopt(storedTransposed ? values.t().contiguous() : values);
      target.requiresGrad(false);
    }
    return dense;
  }

  /** Says that the dense layer was one that stores its weight the other way round. */
  final void storedTransposed() {
    storedTransposed = true;
  }

  @Override
  public final boolean keepsWhatReplaces() {
    return false;
  }

  /** A change is added in float32 and quantized again. */
  @Override
  public final DType changeDtype() {
    return DType.FLOAT32;
  }
}
