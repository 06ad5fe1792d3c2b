package org.peftjava.transformers.model;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.torch.Tensor;

/**
 * What one forward pass keeps of its way besides its result: the hidden states between layers, the
 * attention weights, or both. Without a trace nothing is kept and nothing is slower.
 *
 * <p>Reference: {@code output_hidden_states} and {@code output_attentions}. Letters: {@code b}
 * batch, {@code t} tokens, {@code s} tokens attended to, {@code h} heads, {@code e} hidden size.
 * The trace owns what it kept until it is taken; close it.
 */
public final class LayerTrace implements AutoCloseable {
  private final boolean keepsHiddenStates;
  private final boolean keepsAttentions;
  private final List<Tensor> hiddenStates = new ArrayList<>();
  private final List<Tensor> attentions = new ArrayList<>();

  /** An empty trace that will keep these. */
  public LayerTrace(boolean hiddenStates, boolean attentions) {
    keepsHiddenStates = hiddenStates;
    keepsAttentions = attentions;
  }

  /** Whether attention weights are wanted, which costs a slower attention. */
  public boolean keepsAttentions() {
    return keepsAttentions;
  }

  /** Keeps a hidden state (b, t, e), if they are wanted: each layer's input, and the result. */
  public void hiddenState(Tensor state) {
    if (keepsHiddenStates) {
      hiddenStates.add(state.alias().escape());
    }
  }

  /** Keeps one layer's attention weights (b, h, t, s), if they are wanted. */
  public void attention(Tensor weights) {
    if (keepsAttentions) {
      attentions.add(weights.alias().escape());
    }
  }

  /** Hands the hidden states over to the current scope, first layer's input first. */
  public List<Tensor> takeHiddenStates() {
    return take(hiddenStates);
  }

  /** Hands the attention weights over to the current scope, first layer first. */
  public List<Tensor> takeAttentions() {
    return take(attentions);
  }

  private static List<Tensor> take(List<Tensor> kept) {
    List<Tensor> owned = kept.stream().map(Tensor::alias).toList();
    kept.forEach(Tensor::close);
    kept.clear();
    return owned;
  }

  @Override
  public void close() {
    hiddenStates.forEach(Tensor::close);
    attentions.forEach(Tensor::close);
  }
}
