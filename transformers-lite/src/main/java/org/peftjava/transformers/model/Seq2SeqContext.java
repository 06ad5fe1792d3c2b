package org.peftjava.transformers.model;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/**
 * What every layer of an encoder or of the decoder behind it needs besides the hidden state.
 *
 * @param mask which tokens each token may attend to, with the bias of relative positions
 * @param past keys and values of earlier tokens, or null
 * @param trace what the pass keeps of its way, or null
 * @param encoder what the decoder attends to; null in the encoder
 */
public record Seq2SeqContext(
    AttentionMask mask,
    @Nullable KvCache past,
    @Nullable LayerTrace trace,
    @Nullable Encoder encoder)
    implements LayerContext<Seq2SeqContext> {

  /**
   * The encoder as the decoder sees it.
   *
   * @param states (b, s, e)
   * @param mask which of them are tokens
   * @param cache the keys and values made of them, or null
   * @param trace what keeps the weights of the attention to them, or null
   */
  public record Encoder(
      Tensor states,
      AttentionMask mask,
      @Nullable CrossAttentionCache cache,
      @Nullable LayerTrace trace) {
    private static final String MASK = "encoder mask";

    /** The encoder's side of a decoder's input; its mask is kept with the cache. */
    public static Encoder of(DecoderInput input, DType dtype, Device device) {
      EncoderDecoderCache past = input.past();
      return new Encoder(
          input.encoderStates(),
          mask(input, dtype, device),
          past == null ? null : past.crossAttention(),
          input.crossTrace());
    }

    private static AttentionMask mask(DecoderInput input, DType dtype, Device device) {
      EncoderDecoderCache past = input.past();
      Tensor kept = past == null ? null : past.constant(MASK);
      if (kept != null) {
        return new AttentionMask(kept, false);
      }
      CrossAttentionCache read = past == null ? null : past.crossAttention();
      if (read != null && read.isFilled()) {
        return AttentionMask.bidirectional(null, dtype, device);
      }
      AttentionMask mask = AttentionMask.bidirectional(input.encoderMask(), dtype, device);
      if (past != null) {
        mask.tensors().forEach(addend -> past.keep(MASK, addend));
      }
      return mask;
    }
  }

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
  public Seq2SeqContext with(List<Tensor> tensors) {
    int own = mask.tensors().size();
    AttentionMask sameMask = mask.with(tensors.subList(0, own));
    if (encoder == null) {
      return new Seq2SeqContext(sameMask, past, trace, null);
    }
    AttentionMask other = encoder.mask().with(tensors.subList(own + 1, tensors.size()));
    return new Seq2SeqContext(
        sameMask,
        past,
        trace,
        new Encoder(tensors.get(own), other, encoder.cache(), encoder.trace()));
  }
}
