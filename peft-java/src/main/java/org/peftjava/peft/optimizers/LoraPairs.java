package org.peftjava.peft.optimizers;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** A and B of LoRA adapters of linear layers, whose gradients optimizers turn. */
final class LoraPairs {
  /**
   * One adapter's matrices in one layer.
   *
   * @param a (r, d)
   * @param b (o, r)
   * @param adapter has their scaling
   */
  record Pair(Parameter a, Parameter b, ScaledAdapter adapter) {
    /**
     * Multiplies B's gradient, if it has one, by {@code factor (A A^T + damping)^-1} on the right.
     */
    void turnB(double damping, double factor) {
      b.tensor()
          .grad()
          .ifPresent(
              gradient -> {
                Tensor values = wide(a.tensor().detach());
                Tensor inverse = inverse(values.matmul(values.t()), damping);
                gradient.copyInPlace(wide(gradient).matmul(inverse).mulInPlace(factor));
              });
    }

    /** Multiplies A's gradient, if it has one, by {@code (B^T B + damping)^-1} on the left. */
    void turnA(double damping) {
      a.tensor()
          .grad()
          .ifPresent(
              gradient -> {
                Tensor values = wide(b.tensor().detach());
                Tensor inverse = inverse(values.t().matmul(values), damping);
                gradient.copyInPlace(inverse.matmul(wide(gradient)));
              });
    }

    /** In float32 at least. */
    private static Tensor wide(Tensor values) {
      return values.dtype().isHalfPrecision() ? values.to(DType.FLOAT32) : values;
    }

    /** The inverse of a symmetric matrix (r, r) with something added to its diagonal. */
    private static Tensor inverse(Tensor matrix, double more) {
      Tensor identity = LinearAlgebra.identity(matrix.dtype(), matrix.device(), matrix.size(0));
      return LinearAlgebra.pseudoInverse(matrix.add(identity, more));
    }
  }

  private LoraPairs() {}

  /** Those of a model's adapters, trained or not. */
  static List<Pair> of(Module model) {
    List<Pair> result = new ArrayList<>();
    TunedModel.in(model)
        .ifPresent(
            tuned ->
                tuned
                    .layers()
                    .values()
                    .forEach(
                        layer -> layer.adapters().values().forEach(each -> add(each, result))));
    return result;
  }

  private static void add(LayerAdapter adapter, List<Pair> pairs) {
    Parameter a = weight(adapter, "lora_A");
    Parameter b = weight(adapter, "lora_B");
    if (a != null
        && b != null
        && adapter instanceof ScaledAdapter scaled
        && a.shape().rank() == 2
        && b.shape().rank() == 2
        && a.shape().get(0) == b.shape().get(1)) {
      pairs.add(new Pair(a, b, scaled));
    }
  }

  private static @Nullable Parameter weight(LayerAdapter adapter, String group) {
    return adapter.weights().stream()
        .filter(weight -> weight.group().equals(group) && weight.leaf().equals("weight"))
        .map(LayerAdapter.Weight::parameter)
        .findFirst()
        .orElse(null);
  }
}
