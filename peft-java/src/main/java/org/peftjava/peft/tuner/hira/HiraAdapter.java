package org.peftjava.peft.tuner.hira;

import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
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
  private byte @Nullable [] unmerged; // the weight without any adapter, while this one is merged

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
    unmerged = weight.get().contiguous().viewAs(DType.UINT8).toBytes();
  }

  @Override
  public final Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(change(weight));
  }

  @Override
  public final Tensor removedFrom(Tensor weight) {
    Tensor result = weight.subInPlace(change(weight), 1);
    unmerged = null;
    return result;
  }

  private Tensor change(Tensor like) {
    byte[] bytes = unmerged;
    if (bytes == null) {
      throw new IllegalStateException("The adapter is not merged.");
    }
    Tensor base =
        Creation.ofBytes(bytes, bytes.length)
            .viewAs(like.dtype())
            .reshape(like.shape().toArray())
            .to(like.device());
    return base.mul(factor().to(like.dtype()));
  }
}
