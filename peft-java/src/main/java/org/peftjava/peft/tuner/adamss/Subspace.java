package org.peftjava.peft.tuner.adamss;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * One subspace of a layer in training: how important its two matrices were since the last choice.
 *
 * <p>Reference: PEFT {@code AdamssLayer.update_importance}. Owns its tensors.
 */
final class Subspace implements AutoCloseable {
  private static final List<String> NAMES =
      List.of(".A.exp_avg_ipt", ".A.exp_avg_unc", ".B.exp_avg_ipt", ".B.exp_avg_unc");

  private final List<Parameter> matrices;
  private @Nullable List<Tensor> means; // the importance and its uncertainty of A, then of B

  Subspace(Parameter a, Parameter b) {
    matrices = List.of(a, b);
  }

  /** Looks at values and gradients after a step; a subspace that is not trained has none. */
  void update(double importanceBeta, double uncertaintyBeta) {
    if (matrices.stream().anyMatch(matrix -> matrix.tensor().grad().isEmpty())) {
      return;
    }
    List<Tensor> own = tracked();
    for (int i = 0; i < matrices.size(); i++) {
      Tensor values = matrices.get(i).tensor();
      Tensor now = values.detach().mul(values.grad().orElseThrow()).abs();
      Tensor mean = own.get(2 * i);
      Tensor gap = now.sub(mean).abs();
      own.get(2 * i + 1).mulInPlace(uncertaintyBeta).addInPlace(gap, 1 - uncertaintyBeta);
      mean.mulInPlace(importanceBeta).addInPlace(now, 1 - importanceBeta);
    }
  }

  private List<Tensor> tracked() {
    List<Tensor> own = means;
    if (own == null) {
      own = matrices.stream().flatMap(m -> Stream.of(zeros(m), zeros(m))).toList();
      means = own;
    }
    return own;
  }

  private static Tensor zeros(Parameter like) {
    return Creation.zeros(like.dtype(), like.tensor().device(), like.tensor().shape().toArray())
        .escape();
  }

  /** Its importance, if it was trained since the last choice. */
  Optional<Float> score() {
    List<Tensor> own = means;
    return own == null
        ? Optional.empty()
        : Optional.of(
            own.get(0).mul(own.get(1)).mean().add(own.get(2).mul(own.get(3)).mean()).toFloats()[0]);
  }

  /** Whether it is trained from now on. */
  void train(boolean on) {
    matrices.forEach(matrix -> matrix.requiresGrad(on));
  }

  void save(String name, Map<String, Tensor> state) {
    state.put(name + ".trained", Creation.full(matrices.get(0).dtype(), isTrained() ? 1 : 0, 1));
    List<Tensor> own = means;
    for (int i = 0; own != null && i < own.size(); i++) {
      state.put(name + NAMES.get(i), own.get(i));
    }
  }

  private boolean isTrained() {
    return matrices.get(0).requiresGrad();
  }

  /** Throws unless a state has what {@link #load} needs. */
  void check(String name, Map<String, Tensor> state) {
    boolean hasMeans = state.containsKey(name + NAMES.get(0));
    boolean fits = state.containsKey(name + ".trained");
    for (int i = 0; hasMeans && i < NAMES.size(); i++) {
      Tensor found = state.get(name + NAMES.get(i));
      fits &= found != null && found.shape().equals(matrices.get(i / 2).shape());
    }
    if (!fits) {
      throw new IllegalArgumentException(
          "The state of AdaMSS' training does not fit subspace "
              + name
              + ". Is the checkpoint of another adapter?");
    }
  }

  void load(String name, Map<String, Tensor> state) {
    close();
    Tensor trained = state.get(name + ".trained");
    train(trained != null && trained.toDouble() != 0);
    if (state.containsKey(name + NAMES.get(0))) {
      List<Tensor> own = tracked();
      for (int i = 0; i < NAMES.size(); i++) {
        Tensor found = state.get(name + NAMES.get(i));
        if (found != null) {
          own.get(i).copyInPlace(found);
        }
      }
    }
  }

  /** Forgets what it has looked at. */
  @Override
  public void close() {
    List<Tensor> own = means;
    if (own != null) {
      own.forEach(Tensor::close);
      means = null;
    }
  }
}
