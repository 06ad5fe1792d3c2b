package org.peftjava.transformers.model;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;

/**
 * Encoder and decoder that both read the source text, the decoder shifted by one token, to judge
 * it: the hidden states are the decoder's.
 *
 * <p>Reference: {@code T5ForSequenceClassification.forward}, {@code BartModel.forward}. Its
 * children are those of the stacks.
 */
public final class Seq2SeqReader extends Backbone {
  private final Backbone stacks;
  private final EncoderDecoder pair;
  private final OptionalLong start;

  /** Reads with these stacks, the decoder's input beginning with {@code start}. */
  public <M extends Backbone & EncoderDecoder> Seq2SeqReader(M stacks, OptionalLong start) {
    this.stacks = stacks;
    this.start = start;
    pair = stacks;
    shareChildren(stacks);
  }

  @Override
  public Tensor forward(BackboneInput input) {
    Tensor ids = input.inputIds();
    if (ids == null) {
      throw new IllegalArgumentException(
          "inputsEmbeds are given, but the decoder reads the ids of the text a second time to judge"
              + " it. Pass inputIds.");
    }
    try (TensorScope scope = TensorScope.open("Seq2SeqReader.forward")) {
      stacks.gradientCheckpointing(recomputes());
      BackboneInput source =
          new BackboneInput(ids, null, input.attentionMask(), null, null, null, null);
      BackboneInput target =
          new BackboneInput(shifted(ids), null, null, null, null, null, input.trace());
      return scope.keep(
          pair.decode(
              new DecoderInput(target, stacks.forward(source), input.attentionMask(), null, null)));
    }
  }

  private Tensor shifted(Tensor ids) {
    long begin =
        start.orElseThrow(
            () ->
                new IllegalArgumentException(
                    "config.json has no decoder_start_token_id, with which the decoder's input"
                        + " begins. Set it; T5 begins with the padding token, 0."));
    Tensor first = Creation.zeros(DType.INT64, ids.device(), ids.size(0), 1).add(begin);
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
