package org.peftjava.transformers.model;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;

/** A stack of transformer layers without a head: tokens in, hidden states out. */
public abstract class Backbone extends Module {
  private boolean gradientCheckpointing;

  /** For subclasses. */
  protected Backbone() {}

  /**
   * Computes the hidden states (b, t, {@link #outputSize()}), owned by the current scope. Extends
   * the cache, if the input has one.
   */
  public abstract Tensor forward(BackboneInput input);

  /**
   * One vector for each text, (b, e), owned by the current scope, if the backbone has a layer for
   * it: {@code pooler_output}.
   *
   * @param hidden (b, t, e), what {@link #forward} returned
   */
  public Optional<Tensor> pooled(Tensor hidden) {
    return Optional.empty();
  }

  /** Names of children that get fresh values where a checkpoint lacks them, such as "pooler". */
  public Set<String> optionalChildren() {
    return Set.of();
  }

  /**
   * Which of the weights below are another one, name to name, such as the token embeddings of two
   * stacks; saved under the other's name alone.
   */
  public Map<String, String> ties() {
    return Map.of();
  }

  /**
   * Paths of modules behind the last layer, which may be on another device: their input is brought.
   */
  public Set<String> movableChildren() {
    return Set.of();
  }

  /** The layers, if they may be used more than once; see {@link LayerReplication}. */
  public Optional<ModuleList<?>> layerList() {
    return Optional.empty();
  }

  /** The token embedding. */
  public abstract EmbeddingLayer inputEmbeddings();

  /** Length of a hidden state as it reaches the head. */
  public abstract int outputSize();

  /**
   * Whether a pass over one new token, whose place only the device knows, works on all of a cache's
   * memory ({@link KvCache#at}), so that it can be recorded.
   */
  public boolean takesPlaces() {
    return false;
  }

  /** Number of layers that keep keys and values. */
  public abstract int cachedLayers();

  /**
   * Recomputes each layer in the backward pass instead of keeping its intermediates, while
   * training.
   */
  public final void gradientCheckpointing(boolean on) {
    gradientCheckpointing = on;
  }

  /** Whether layers are recomputed while training. */
  public final boolean isGradientCheckpointing() {
    return gradientCheckpointing;
  }

  /** Whether layers are recomputed now. */
  protected final boolean recomputes() {
    return gradientCheckpointing && isTraining();
  }
}
