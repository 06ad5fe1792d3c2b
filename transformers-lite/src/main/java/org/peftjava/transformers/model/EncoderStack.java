package org.peftjava.transformers.model;

import java.util.List;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;

/** Runs embedded texts through the layers of an encoder, or of a decoder built like one. */
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
    checkNoCache(input);
    AttentionMask mask =
        AttentionMask.bidirectional(input.attentionMask(), embedded.dtype(), embedded.device());
    return run(layers, input, mask, embedded, recompute, step);
  }

  /** The same where each token sees those before it only; extends the cache, if there is one. */
  public static <L extends Module> Tensor causal(
      List<L> layers,
      BackboneInput input,
      Tensor embedded,
      boolean recompute,
      LayerStack.Step<L, DecoderContext> step) {
    AttentionMask mask =
        AttentionMask.causal(
            input.attentionMask(),
            input.tokens(),
            input.pastLength(),
            embedded.dtype(),
            embedded.device());
    Tensor result = run(layers, input, mask, embedded, recompute, step);
    KvCache past = input.past();
    if (past != null) {
      past.advance(input.tokens());
    }
    return result;
  }

  private static void checkNoCache(BackboneInput input) {
    KvCache past = input.past();
    if (past != null && !(past instanceof PrefixCache)) {
      throw new IllegalArgumentException(
          "A KvCache was passed to an encoder, which sees all tokens at once. Leave it out, or pass"
              + " a PrefixCache.");
    }
  }

  private static <L extends Module> Tensor run(
      List<L> layers,
      BackboneInput input,
      AttentionMask mask,
      Tensor embedded,
      boolean recompute,
      LayerStack.Step<L, DecoderContext> step) {
    DecoderContext context = new DecoderContext(mask, input.past(), input.trace());
    Tensor result = LayerStack.run(layers, embedded, context, recompute, step);
    LayerTrace trace = input.trace();
    if (trace != null) {
      trace.hiddenState(result);
    }
    return result;
  }
}
