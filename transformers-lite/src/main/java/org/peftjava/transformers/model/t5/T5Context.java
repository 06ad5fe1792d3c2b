package org.peftjava.transformers.model.t5;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.model.AttentionMask;
import org.peftjava.transformers.model.CrossAttentionCache;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.LayerContext;
import org.peftjava.transformers.model.LayerTrace;

/**
 * What every layer of a stack needs besides the hidden state.
 *
 * @param mask which tokens each token may attend to, with the bias of relative positions
 * @param past keys and values of earlier tokens, or null
 * @param trace what the pass keeps of its way, or null
 * @param encoder what the decoder attends to; null in the encoder
 */
record T5Context(
    AttentionMask mask,
    @Nullable KvCache past,
    @Nullable LayerTrace trace,
    @Nullable Encoder encoder)
    implements LayerContext<T5Context> {

  /**
   * The encoder as the decoder sees it.
   *
   * @param states (b, s, e)
   * @param mask which of them are tokens
   * @param cache the keys and values made of them, or null
   * @param trace what keeps the weights of the attention to them, or null
   */
  record Encoder(
      Tensor states,
      AttentionMask mask,
      @Nullable CrossAttentionCache cache,
      @Nullable LayerTrace trace) {}

  @Override
  public List<Tensor> tensors() {
    List<Tensor> all = new ArrayList<>(mask.tensors());
    if (encoder != null) {
      all.add(encoder.states());
      all.addAll(encoder.mask().tensors());
    }
    return all;
  }

  @Override
  public T5Context with(List<Tensor> tensors) {
    int own = mask.tensors().size();
    AttentionMask sameMask = mask.with(tensors.subList(0, own));
    if (encoder == null) {
      return new T5Context(sameMask, past, trace, null);
    }
    AttentionMask other = encoder.mask().with(tensors.subList(own + 1, tensors.size()));
    return new T5Context(
        sameMask,
        past,
        trace,
        new Encoder(tensors.get(own), other, encoder.cache(), encoder.trace()));
  }
}
