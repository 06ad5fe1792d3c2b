package org.peftjava.peft.tuner;

import java.util.OptionalLong;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** An embedding table with full trainable copies. */
final class SavedEmbedding extends SavedModule implements EmbeddingLayer {
  SavedEmbedding(AdapterSet set, Module original) {
    super(set, original);
  }

  private EmbeddingLayer layer() {
    return acting(EmbeddingLayer.class);
  }

  @Override
  public Tensor forward(Tensor ids) {
    return acted(ids);
  }

  @Override
  public long numEmbeddings() {
    return layer().numEmbeddings();
  }

  @Override
  public long embeddingDim() {
    return layer().embeddingDim();
  }

  @Override
  public Parameter table() {
    return layer().table();
  }

  @Override
  public double scaleIn(DType type) {
    return layer().scaleIn(type);
  }

  @Override
  public OptionalLong paddingIdx() {
    return layer().paddingIdx();
  }
}
