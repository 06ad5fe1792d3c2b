package org.peftjava.transformers.model.t5;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderInput;

/**
 * Encoder and decoder of T5 that both read the source text, the decoder shifted by one token, to
 * judge it: the hidden states are the decoder's.
 *
 * <p>Reference: {@code T5ForSequenceClassification.forward}. Its children are those of {@link
 * T5Model}.
 */
final class T5Reader extends Backbone {
  private final T5Model stacks;
  private final T5Config config;

  T5Reader(T5Config config, DType dtype) {
    this.config = config;
    stacks = new T5Model(config, dtype);
    shareChildren(stacks);
  }

  @Override
  public Tensor forward(BackboneInput input) {
    Tensor ids = input.inputIds();
    if (ids == null) {
      throw new IllegalArgumentException(
          "inputsEmbeds are given, but T5 reads the ids of the text a second time to judge it. Pass"
              + " inputIds.");
    }
    try (TensorScope scope = TensorScope.open("T5Reader.forward")) {
      stacks.gradientCheckpointing(recomputes());
      BackboneInput source =
          new BackboneInput(ids, null, input.attentionMask(), null, null, null, null);
      BackboneInput target =
          new BackboneInput(shifted(ids), null, null, null, null, null, input.trace());
      return scope.keep(
          stacks.decode(
              new DecoderInput(target, stacks.forward(source), input.attentionMask(), null, null)));
    }
  }

  private Tensor shifted(Tensor ids) {
    long start =
        config
            .decoderStartTokenId()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "config.json has no decoder_start_token_id, with which the decoder's input"
                            + " begins. Set it; T5 begins with the padding token, 0."));
    Tensor first = Creation.zeros(DType.INT64, ids.device(), ids.size(0), 1).add(start);
    return ids.size(1) == 1
        ? first
        : Creation.cat(List.of(first, ids.narrow(1, 0, ids.size(1) - 1)), 1);
  }

  @Override
  public Map<String, String> ties() {
    return stacks.ties();
  }

  @Override
  public Set<String> movableChildren() {
    return stacks.movableChildren();
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return stacks.inputEmbeddings();
  }

  @Override
  public int outputSize() {
    return stacks.outputSize();
  }

  /** None: the text is read once. */
  @Override
  public int cachedLayers() {
    return 0;
  }
}
