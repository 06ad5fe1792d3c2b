package org.peftjava.peft.tuner.hira;

import java.util.List;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.UnmergedWeight;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * What HiRA does to weights of linear layers and embeddings alike: W becomes {@code W + W * M},
 * elementwise, with a matrix M of low rank.
 */
abstract class HiraAdapter implements LayerAdapter {
  private final Parameter a;
  private final Parameter b;
  private final String names;
  private final UnmergedWeight unmerged = new UnmergedWeight();

  /**
   * Of two factors.
   *
   * @param names how their names begin, such as "hira_"
   */
  HiraAdapter(Parameter a, Parameter b, String names) {
    this.a = a;
    this.b = b;
    this.names = names;
  }

  final Tensor a() {
    return a.tensor();
  }

  final Tensor b() {
    return b.tensor();
  }

  /** M in the shape of the weight. */
  abstract Tensor factor();

  @Override
  public final List<Weight> weights() {
    return List.of(new Weight(names + "A", "", a), new Weight(names + "B", "", b));
  }

  @Override
  public final void prepareMerge(Supplier<Tensor> weight) {
    unmerged.keep(weight);
  }

  @Override
  public final Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(change(weight));
  }

  @Override
  public final Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(change(weight), 1);
  }

  @Override
  public final void afterUnmerge() {
    unmerged.drop();
  }

  private Tensor change(Tensor weight) {
    return unmerged.like(weight).mul(factor().to(weight.dtype()));
  }
}
