package org.peftjava.peft.tuner;

import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** An embedding table with its adapters. */
public final class AdaptedEmbedding extends AdaptedLayer implements EmbeddingLayer {
  private final EmbeddingLayer embedding;

  AdaptedEmbedding(AdapterSet set, Module base) {
    super(set, base);
    embedding = (EmbeddingLayer) base;
  }

  /** Maps ids to (ids..., d). */
  @Override
  public Tensor forward(Tensor ids) {
    return adapted(ids);
  }

  @Override
  public String kind() {
    return "Embedding";
  }

  @Override
  Layer baseLayer() {
    return embedding;
  }

  @Override
  Tensor readWeight() {
    return embedding.table().tensor().detach().copy();
  }

  @Override
  void writeWeight(Tensor dense) {
    embedding.table().copyFrom(dense);
  }

  @Override
  Optional<Parameter> baseBias() {
    return Optional.empty();
  }

  @Override
  public long numEmbeddings() {
    return embedding.numEmbeddings();
  }

  @Override
  public long embeddingDim() {
    return embedding.embeddingDim();
  }

  /** The base's table: adapters are in it only while merged. */
  @Override
  public Parameter table() {
    return embedding.table();
  }

  @Override
  public double scaleIn(DType type) {
    return embedding.scaleIn(type);
  }

  @Override
  public OptionalLong paddingIdx() {
    return embedding.paddingIdx();
  }
}
