package org.peftjava.transformers.model;

import java.util.List;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;

/** Runs embedded texts through the layers of an encoder. */
public final class EncoderStack {
  private EncoderStack() {}

  /**
   * Runs all layers.
   *
   * @param embedded (b, t, e), owned by the current scope; closed as soon as the first layer has
   *     run
   * @param recompute whether layers are run again in the backward pass instead of being kept
   * @return the last layer's output, owned by the current scope
   */
  public static <L extends Module> Tensor run(
      List<L> layers,
      BackboneInput input,
      Tensor embedded,
      boolean recompute,
      LayerStack.Step<L, DecoderContext> step) {
    KvCache past = input.past();
    if (past != null && !(past instanceof PrefixCache)) {
      throw new IllegalArgumentException(
          "A KvCache was passed to an encoder, which sees all tokens at once. Leave it out, or pass"
              + " a PrefixCache.");
    }
    AttentionMask mask =
        AttentionMask.bidirectional(input.attentionMask(), embedded.dtype(), embedded.device());
    DecoderContext context = new DecoderContext(mask, past, input.trace());
    Tensor result = LayerStack.run(layers, embedded, context, recompute, step);
    LayerTrace trace = input.trace();
    if (trace != null) {
      trace.hiddenState(result);
    }
    return result;
  }
}
