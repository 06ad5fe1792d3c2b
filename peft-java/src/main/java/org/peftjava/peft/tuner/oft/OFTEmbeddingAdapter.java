package org.peftjava.peft.tuner.oft;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Tensor;

/**
 * OFT over an embedding table: {@code y = table[ids] R}.
 *
 * <p>Reference: PEFT {@code tuners/oft/layer.py::Embedding}.
 */
final class OFTEmbeddingAdapter implements LayerAdapter {
  private final OFTRotation rotation;

  OFTEmbeddingAdapter(OFTRotation rotation) {
    this.rotation = rotation;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("oft_embedding_R", "weight", rotation.weight()));
  }

  @Override
  public Tensor afterBase(Tensor ids, Tensor y, boolean training) {
    return rotation.apply(y);
  }

  @Override
  public Tensor mergedInto(Tensor table) {
    return rotation.apply(table).to(table.dtype());
  }

  @Override
  public Tensor removedFrom(Tensor table) {
    return rotation.undo(table).to(table.dtype());
  }
}
