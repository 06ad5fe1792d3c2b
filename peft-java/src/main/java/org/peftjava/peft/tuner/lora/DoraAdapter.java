package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/**
 * DoRA: the weight's direction is trained as in LoRA, its length apart: {@code W' = (m / |W + D|) *
 * (W + D)} with {@code D = s B A} and a trained magnitude m for each output feature.
 *
 * <p>The length {@code |W + D|} is a constant in the backward pass. Merging keeps the length that
 * it divided by, so that unmerging multiplies by the same. Paper: arXiv:2402.09353. Reference: PEFT
 * {@code tuners/lora/dora.py, variants.py::DoraLinearVariant}; values in golden/tuner_dora*.
 */
abstract sealed class DoraAdapter implements LayerAdapter, LowRank
    permits DoraLinearAdapter, DoraEmbeddingAdapter {
  private final LowRank lora;
  private final List<Weight> weights;
  private final Parameter magnitude;
  private final int dim;
  private float @Nullable [] mergedLength;

  /**
   * For subclasses.
   *
   * @param lora its matrices
   * @param matrices LoRA's weights
   * @param magnitude m: one number for each output feature
   * @param dim the dimension of the weight along which a length is taken
   */
  DoraAdapter(LowRank lora, List<Weight> matrices, Parameter magnitude, int dim) {
    this.lora = lora;
    weights = new ArrayList<>(matrices);
    weights.add(
        new Weight(
            "lora_magnitude_vector", "weight", magnitude, Role.TRAINED, "lora_magnitude_vector"));
    this.magnitude = magnitude;
    this.dim = dim;
  }

  /** The base weight in the adapter's type, fresh. */
  abstract Tensor baseWeight();

  /** {@code weight + D}, in {@code weight}'s memory and outside the graph. */
  abstract Tensor addDelta(Tensor weight, double sign);

  @Override
  public final Parameter a() {
    return lora.a();
  }

  @Override
  public final Parameter b() {
    return lora.b();
  }

  @Override
  public final double scaling() {
    return lora.scaling();
  }

  @Override
  public final void scaling(double value) {
    lora.scaling(value);
  }

  @Override
  public final double initialScaling() {
    return lora.initialScaling();
  }

  @Override
  public final List<Weight> weights() {
    return weights;
  }

  /** {@code m / |W + D|} (o), in the graph of m. */
  final Tensor factor() {
    try (TensorScope scope = TensorScope.open("factor")) {
      Tensor length;
      try (GradMode off = GradMode.noGrad()) {
        length = scope.keep(length(addDelta(baseWeight(), 1)));
      }
      return scope.keep(magnitude.tensor().div(length));
    }
  }

  /** The length of each output feature's weights (o). */
  private Tensor length(Tensor weight) {
    return Ops.norm(weight, dim).reshape(-1);
  }

  @Override
  public final void prepareMerge(Supplier<Tensor> unmerged) {
    Tensor weight = unmerged.get().to(magnitude.dtype());
    mergedLength = length(addDelta(weight, 1)).toFloats();
  }

  @Override
  public final Tensor mergedInto(Tensor weight) {
    Tensor sum = addDelta(weight.to(magnitude.dtype()), 1);
    return sum.mulInPlace(mergedFactor()).to(weight.dtype());
  }

  @Override
  public final Tensor removedFrom(Tensor weight) {
    Tensor sum = weight.to(magnitude.dtype()).div(mergedFactor());
    return addDelta(sum, -1).to(weight.dtype());
  }

  /** The factor of the present merge, along the weight's other dimension. */
  private Tensor mergedFactor() {
    float[] values = mergedLength;
    if (values == null) {
      throw new IllegalStateException("This DoRA adapter is not merged.");
    }
    Tensor length = Creation.ofFloats(values, values.length).to(magnitude.tensor().device());
    return magnitude.tensor().detach().div(length.to(magnitude.dtype())).unsqueeze(dim);
  }
}
