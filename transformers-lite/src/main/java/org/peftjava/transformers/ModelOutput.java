package org.peftjava.transformers;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/**
 * What one forward call returns; the tensors belong to the scope that was open at the call. A model
 * fills what its task computes.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens, {@code e} hidden size, {@code h} heads, {@code n}
 * labels.
 *
 * @param loss a float32 scalar, if labels were given
 * @param logits if there were no labels or they were asked for: (b, kept positions, vocabulary) of
 *     a language model, (b, n) of a text classifier, (b, t, n) of a token classifier
 * @param startLogits (b, t), of question answering
 * @param endLogits (b, t), of question answering
 * @param lastHiddenState (b, t, e), of a model without head
 * @param poolerOutput (b, e), of a model without head, if the architecture has a pooler
 * @param hiddenStates the embeddings and each layer's output (b, t, e), if they were asked for; of
 *     an encoder-decoder those of the decoder
 * @param attentions each layer's attention weights (b, h, t, t), if they were asked for; of an
 *     encoder-decoder those of the decoder to its own tokens
 * @param seq2seq what an encoder-decoder computes besides
 */
public record ModelOutput(
    Optional<Tensor> loss,
    Optional<Tensor> logits,
    Optional<Tensor> startLogits,
    Optional<Tensor> endLogits,
    Optional<Tensor> lastHiddenState,
    Optional<Tensor> poolerOutput,
    List<Tensor> hiddenStates,
    List<Tensor> attentions,
    Optional<Seq2SeqOutput> seq2seq) {
  /** The output of a model with one kind of logits. */
  public ModelOutput(Optional<Tensor> loss, Optional<Tensor> logits) {
    this(loss, logits, Optional.empty(), Optional.empty());
  }

  private ModelOutput(
      Optional<Tensor> loss,
      Optional<Tensor> logits,
      Optional<Tensor> startLogits,
      Optional<Tensor> endLogits) {
    this(
        loss,
        logits,
        startLogits,
        endLogits,
        Optional.empty(),
        Optional.empty(),
        List.of(),
        List.of(),
        Optional.empty());
  }

  /** The output of question answering. */
  static ModelOutput ofSpan(Optional<Tensor> loss, Tensor startLogits, Tensor endLogits) {
    return new ModelOutput(
        loss, Optional.empty(), Optional.of(startLogits), Optional.of(endLogits));
  }

  /** The output of a model without head. */
  static ModelOutput ofBackbone(Tensor lastHiddenState, Optional<Tensor> poolerOutput) {
    return new ModelOutput(
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.of(lastHiddenState),
        poolerOutput,
        List.of(),
        List.of(),
        Optional.empty());
  }

  /** The same where a device is; unchanged for null. */
  ModelOutput on(@Nullable Device device) {
    return device == null
        ? this
        : new ModelOutput(
            loss.map(x -> x.to(device)),
            logits.map(x -> x.to(device)),
            startLogits.map(x -> x.to(device)),
            endLogits.map(x -> x.to(device)),
            lastHiddenState.map(x -> x.to(device)),
            poolerOutput.map(x -> x.to(device)),
            hiddenStates.stream().map(x -> x.to(device)).toList(),
            attentions.stream().map(x -> x.to(device)).toList(),
            seq2seq);
  }

  /** The same with this loss. */
  public ModelOutput with(Tensor newLoss) {
    return new ModelOutput(
        Optional.of(newLoss),
        logits,
        startLogits,
        endLogits,
        lastHiddenState,
        poolerOutput,
        hiddenStates,
        attentions,
        seq2seq);
  }

  /** The same with what was kept on the way. */
  ModelOutput with(List<Tensor> states, List<Tensor> weights) {
    return new ModelOutput(
        loss,
        logits,
        startLogits,
        endLogits,
        lastHiddenState,
        poolerOutput,
        states,
        weights,
        seq2seq);
  }

  /** The same with what an encoder-decoder computes besides. */
  ModelOutput with(Seq2SeqOutput output) {
    return new ModelOutput(
        loss,
        logits,
        startLogits,
        endLogits,
        lastHiddenState,
        poolerOutput,
        hiddenStates,
        attentions,
        Optional.of(output));
  }
}
