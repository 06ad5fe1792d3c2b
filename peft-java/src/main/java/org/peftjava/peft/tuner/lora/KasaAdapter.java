package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * KaSA over a linear layer: {@code y = base(x) + s (B diag(f) A drop(x) + c)}, where the base has
 * lost its r smallest singular values.
 *
 * <p>Paper: arXiv:2412.06071. Reference: PEFT {@code lora/variants.py::KasaLinearVariant}; values
 * in golden/tuner_kasa*. Shapes: A (r, d), B (o, r), f (r), c (o). The factors are multiplied into
 * A, which is smaller than the activations.
 */
final class KasaAdapter extends LoraVariant {
  private final Parameter factors;
  private boolean wasTraining;

  KasaAdapter(LoraAdapter lora, Parameter factors) {
    super(lora);
    this.factors = factors;
  }

  /** The weight (o, d) without its r smallest singular values. */
  static Tensor truncated(Tensor weight, int r) {
    LinearAlgebra.Svd svd = LinearAlgebra.svd(weight);
    long rank = svd.s().size(0) - r;
    return svd.u()
        .narrow(1, 0, rank)
        .mul(svd.s().narrow(0, 0, rank))
        .matmul(svd.vh().narrow(0, 0, rank));
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>(super.weights());
    result.add(new Weight("lora_diag", "", factors));
    return result;
  }

  private Tensor scaledA() {
    return a().tensor().mul(factors.tensor().unsqueeze(1));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    wasTraining = training;
    return lora().update(x, y, scaledA(), training);
  }

  /**
   * {@code beta |f|^2 + gamma (|B^T B - I| + |A A^T - I|)} in the graph, after a pass in training.
   */
  Optional<Tensor> penalty(KasaConfig config) {
    if (!wasTraining) {
      return Optional.empty();
    }
    Tensor a = a().tensor().to(DType.FLOAT32);
    Tensor b = b().tensor().to(DType.FLOAT32);
    Tensor both =
        LinearAlgebra.distanceToIdentity(a.matmul(a.t()))
            .add(LinearAlgebra.distanceToIdentity(b.t().matmul(b)));
    Tensor squares = factors.tensor().to(DType.FLOAT32).pow(2).sum();
    return Optional.of(squares.mul(config.beta()).add(both.mul(config.gamma())));
  }

  @Override
  Tensor delta() {
    return LoraMath.delta(scaledA(), b().tensor(), scaling());
  }

  /** None: what it adds belongs to a weight that has lost something. */
  @Override
  public Optional<Tensor> weightChange() {
    return Optional.empty();
  }
}
