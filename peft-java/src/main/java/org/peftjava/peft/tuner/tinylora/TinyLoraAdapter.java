package org.peftjava.peft.tuner.tinylora;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * What TinyLoRA does to weights of linear layers and embeddings alike: W becomes {@code W + B R A}
 * with {@code R = sum_i v_i P_i}.
 *
 * <p>Shapes: W (m, n), A (r, n) and B (m, r) from the leading singular directions of W, P (u, r, r)
 * random, all frozen; v (u) is trained, and shared by a group of layers. Sums are taken in v's
 * type.
 */
abstract class TinyLoraAdapter implements LayerAdapter {
  /**
   * The frozen weights of a layer.
   *
   * @param p the projections
   * @param isSaved whether files hold the projections
   */
  record Frozen(Parameter a, Parameter b, Parameter p, boolean isSaved) {}

  private final Frozen frozen;
  private final Parameter v;

  TinyLoraAdapter(Frozen frozen, Parameter v) {
    this.frozen = frozen;
    this.v = v;
  }

  @Override
  public final List<Weight> weights() {
    return List.of(
        new Weight("tinylora_A", "", frozen.a, Role.BUFFER),
        new Weight("tinylora_B", "", frozen.b, Role.BUFFER),
        new Weight("tinylora_P", "", frozen.p, frozen.isSaved ? Role.BUFFER : Role.DERIVED));
  }

  final DType type() {
    return v.dtype();
  }

  final Tensor a() {
    return frozen.a.tensor().to(type());
  }

  final Tensor b() {
    return frozen.b.tensor().to(type());
  }

  /** R, (r, r). */
  final Tensor inner() {
    long r = frozen.p.shape().get(1);
    Tensor rows = frozen.p.tensor().to(type()).reshape(-1, r * r);
    return v.tensor().unsqueeze(0).matmul(rows).reshape(r, r);
  }

  /** The change, in the shape of the weight. */
  private Tensor delta() {
    return b().matmul(inner()).matmul(a());
  }

  @Override
  public final Optional<Tensor> weightChange() {
    return Optional.of(delta().detach());
  }

  @Override
  public final Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(delta().to(weight.dtype()));
  }

  @Override
  public final Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(delta().to(weight.dtype()), 1);
  }
}
