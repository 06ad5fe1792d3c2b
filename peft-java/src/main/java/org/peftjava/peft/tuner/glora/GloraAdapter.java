package org.peftjava.peft.tuner.glora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.UnmergedWeight;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;

/**
 * GLoRA over a linear layer: W becomes {@code W + W * A + B}, the bias b becomes {@code b + b * D +
 * E + W C}, with {@code *} elementwise. A layer without a bias has no C, D and E.
 *
 * <p>Paper: arXiv:2306.07967. Reference: PEFT {@code tuners/glora/layer.py}. Shapes: W, A, B (o,
 * d), b, D, E (o), C (d, 1); A, B, D and E may be smaller and are broadcast.
 */
final class GloraAdapter implements LayerAdapter {
  private final List<GloraPath> paths;
  private final LinearLayer base;
  private final DType type;
  private final UnmergedWeight unmergedWeight = new UnmergedWeight();
  private final UnmergedWeight unmergedBias = new UnmergedWeight();

  /**
   * Of its parts.
   *
   * @param paths A, B, C, D and E
   * @param type of the adapter's parameters
   */
  GloraAdapter(List<GloraPath> paths, LinearLayer base, DType type) {
    this.paths = paths;
    this.base = base;
    this.type = type;
  }

  @Override
  public List<Weight> weights() {
    return paths.stream().flatMap(path -> path.weights().stream()).toList();
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    paths.forEach(path -> result.putAll(path.saved(type)));
    return result;
  }

  /** {@code x * factor + shift}, as far as they are there; empty if neither is. */
  private static Optional<Tensor> change(Tensor x, GloraPath factor, GloraPath shift) {
    return sum(factor.values().map(x::mul), shift.values());
  }

  private static Optional<Tensor> sum(Optional<Tensor> first, Optional<Tensor> second) {
    return first.isPresent() && second.isPresent()
        ? Optional.of(first.get().add(second.get()))
        : first.or(() -> second);
  }

  private Optional<Tensor> weightChange(Tensor weight) {
    return change(weight, paths.get(0), paths.get(1))
        .map(own -> own.expand(weight.shape().toArray()));
  }

  private Optional<Tensor> biasChange(Tensor weight, Tensor bias) {
    Optional<Tensor> product =
        paths.get(2).values().map(column -> weight.matmul(column).squeeze(-1));
    return sum(change(bias, paths.get(3), paths.get(4)), product);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor weight = base.denseWeight(type);
    Tensor result = y.to(type);
    Optional<Tensor> ofWeight = weightChange(weight);
    if (ofWeight.isPresent()) {
      result = result.add(MatrixOps.linear(x.to(type), ofWeight.get(), null));
    }
    Optional<Tensor> ofBias =
        base.bias().flatMap(bias -> biasChange(weight, bias.tensor().to(type)));
    return ofBias.isPresent() ? result.add(ofBias.get()) : result;
  }

  @Override
  public void prepareMerge(Supplier<Tensor> weight) {
    unmergedWeight.keep(weight);
  }

  @Override
  public void prepareMergeOfBias(Supplier<Tensor> bias) {
    unmergedBias.keep(bias);
  }

  @Override
  public void afterUnmerge() {
    unmergedWeight.drop();
    unmergedBias.drop();
  }

  private Tensor keptWeight(Tensor like) {
    return unmergedWeight.like(like).to(type);
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    Optional<Tensor> change = weightChange(keptWeight(weight));
    return change.isPresent() ? weight.addInPlace(change.get().to(weight.dtype())) : weight;
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    Optional<Tensor> change = weightChange(keptWeight(weight));
    return change.isPresent() ? weight.subInPlace(change.get().to(weight.dtype()), 1) : weight;
  }

  private Optional<Tensor> keptBiasChange(Tensor bias) {
    Tensor like = base.denseWeight(base.changeDtype());
    return biasChange(keptWeight(like), unmergedBias.like(bias).to(type))
        .map(change -> change.to(bias.dtype()));
  }

  @Override
  public Tensor mergedIntoBias(Tensor bias) {
    Optional<Tensor> change = keptBiasChange(bias);
    return change.isPresent() ? bias.add(change.get()) : bias;
  }

  @Override
  public Tensor removedFromBias(Tensor bias) {
    Optional<Tensor> change = keptBiasChange(bias);
    return change.isPresent() ? bias.sub(change.get()) : bias;
  }
}
