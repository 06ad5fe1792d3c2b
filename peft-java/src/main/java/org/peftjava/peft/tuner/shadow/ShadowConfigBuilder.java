package org.peftjava.peft.tuner.shadow;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerConfigBuilder;

/** Collects the fields of a {@link ShadowConfig}. */
public final class ShadowConfigBuilder extends LayerConfigBuilder<ShadowConfigBuilder> {
  ShadowConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected ShadowConfigBuilder self() {
    return this;
  }

  /** Rank of what is taken into each layer; 8. */
  public ShadowConfigBuilder r(int value) {
    return set("r", value);
  }

  /** Strength of what is taken in; 0.1. */
  public ShadowConfigBuilder shadowAlpha(double value) {
    return set("shadow_alpha", value);
  }

  /** Probability of dropping an element of the difference that is taken in, in training; 0.2. */
  public ShadowConfigBuilder shadowDropout(double value) {
    return set("shadow_dropout", value);
  }

  /** Whether the adapter starts without effect; true. */
  public ShadowConfigBuilder initWeights(boolean value) {
    return set("init_weights", value);
  }

  /**
   * The small model: "mirror" for a new one of the base's kind, or the folder or hub name of one;
   * mirror.
   */
  public ShadowConfigBuilder shadowModel(String value) {
    return set(ShadowConfig.MODEL, value);
  }

  /** Number of layers of a mirrored model; 1. */
  public ShadowConfigBuilder shadowNumHiddenLayers(int value) {
    return set(ShadowConfig.LAYERS, value);
  }

  /** Length of its hidden states; the base's. */
  public ShadowConfigBuilder shadowHiddenSize(int value) {
    return set(ShadowConfig.HIDDEN, value);
  }

  /** Number of its attention heads; the base's. */
  public ShadowConfigBuilder shadowNumAttentionHeads(int value) {
    return set(ShadowConfig.HEADS, value);
  }

  /** Inner size of its feed-forward blocks; the base's. */
  public ShadowConfigBuilder shadowIntermediateSize(int value) {
    return set(ShadowConfig.INTERMEDIATE, value);
  }

  /** Whether a mirrored model of the base's size reads the base's token vectors; true. */
  public ShadowConfigBuilder shareEmbeddings(boolean value) {
    return set("share_embeddings", value);
  }

  /** Inner size of what makes the next state; r. */
  public ShadowConfigBuilder updateHiddenSize(int value) {
    return set("update_hidden_size", value);
  }

  /** Weight of the small model's own loss in the loss; 0.05. */
  public ShadowConfigBuilder auxiliaryLossWeight(double value) {
    return set("auxiliary_loss_weight", value);
  }

  /** The config, checked. */
  public ShadowConfig build() {
    return ShadowConfig.of(values());
  }
}
