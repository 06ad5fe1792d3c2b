package org.peftjava.transformers;

import java.util.List;
import org.peftjava.torch.Tensor;

/**
 * What an encoder-decoder returns besides logits, loss and the decoder's states.
 *
 * <p>Letters: {@code b} batch, {@code t} decoder tokens, {@code n} source tokens, {@code e} hidden
 * size, {@code h} heads.
 *
 * @param encoderLastHiddenState (b, n, e)
 * @param encoderHiddenStates the encoder's embeddings and each layer's output (b, n, e), if hidden
 *     states were asked for and the encoder ran
 * @param encoderAttentions each encoder layer's weights (b, h, n, n), if attentions were asked for
 *     and the encoder ran
 * @param crossAttentions each decoder layer's weights of source tokens (b, h, t, n), if attentions
 *     were asked for
 */
public record Seq2SeqOutput(
    Tensor encoderLastHiddenState,
    List<Tensor> encoderHiddenStates,
    List<Tensor> encoderAttentions,
    List<Tensor> crossAttentions) {
  /** The encoder's states and nothing else. */
  Seq2SeqOutput(Tensor encoderLastHiddenState) {
    this(encoderLastHiddenState, List.of(), List.of(), List.of());
  }
}
