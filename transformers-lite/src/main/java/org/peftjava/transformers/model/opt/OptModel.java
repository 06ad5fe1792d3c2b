package org.peftjava.transformers.model.opt;

import java.util.Optional;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;

/** The OPT backbone: a decoder under the name "decoder", as {@code OPTModel}. */
public final class OptModel extends Backbone {
  private final OptDecoder decoder;

  /** A model without memory for its weights. */
  public OptModel(OptConfig config, DType dtype) {
    decoder = child("decoder", new OptDecoder(config, dtype));
  }

  @Override
  public Tensor forward(BackboneInput input) {
    return decoder.forward(input, recomputes());
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of("decoder.final_layer_norm", "decoder.project_out");
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return decoder.tokens();
  }

  @Override
  public int outputSize() {
    return decoder.outputSize();
  }

  @Override
  public Optional<ModuleList<?>> layerList() {
    return Optional.of(decoder.layers());
  }

  @Override
  public int cachedLayers() {
    return decoder.layers().list().size();
  }
}
