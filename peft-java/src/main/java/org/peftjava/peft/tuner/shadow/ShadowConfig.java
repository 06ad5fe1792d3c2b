package org.peftjava.peft.tuner.shadow;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;

/**
 * The configuration of ShadowPEFT, immutable. Reference: PEFT {@code
 * tuners/shadow/config.py::ShadowConfig}.
 */
public final class ShadowConfig extends LayerTunerConfig {
  static final String MODEL = "shadow_model";
  static final String MIRROR = "mirror";
  static final String LAYERS = "shadow_num_hidden_layers";
  static final String HIDDEN = "shadow_hidden_size";
  static final String HEADS = "shadow_num_attention_heads";
  static final String INTERMEDIATE = "shadow_intermediate_size";

  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("ShadowConfig", "SHADOW")
          .layerTargets()
          .integer("r", 8, 1)
          .number("shadow_alpha", 0.1)
          .dropout("shadow_dropout", 0.2)
          .flag("init_weights", true)
          .text(MODEL, MIRROR)
          .optionalInteger(LAYERS, 0)
          .optionalInteger(HIDDEN, 1)
          .optionalInteger(HEADS, 1)
          .optionalInteger(INTERMEDIATE, 1)
          .flag("share_embeddings", true)
          .optionalInteger("update_hidden_size", 0)
          .number("auxiliary_loss_weight", 0.05)
          .rule(ShadowConfig::checkSizes)
          .build();

  private final @Nullable ShadowNetwork network;

  private ShadowConfig(ConfigFields fields, @Nullable ShadowNetwork network) {
    super(fields);
    this.network = network;
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static ShadowConfig of(Map<String, ? extends @Nullable Object> values) {
    return new ShadowConfig(SCHEMA.read(values), null);
  }

  /** A builder with Python's defaults. */
  public static ShadowConfigBuilder builder() {
    return new ShadowConfigBuilder(Map.of());
  }

  /** A builder that starts from this config. */
  public ShadowConfigBuilder toBuilder() {
    return new ShadowConfigBuilder(fields().values());
  }

  @Override
  public ShadowConfig with(String field, @Nullable Object value) {
    return new ShadowConfig(SCHEMA.check(fields().with(field, value)), network);
  }

  /** A checkpoint says itself what it is like. */
  private static void checkSizes(ConfigFields fields) {
    if (MIRROR.equals(fields.get(MODEL))) {
      return;
    }
    for (String size : List.of(LAYERS, HIDDEN, HEADS, INTERMEDIATE)) {
      if (fields.get(size) != null) {
        throw fields.invalid(
            size, "is for shadowModel \"mirror\" only, a checkpoint has its own sizes");
      }
    }
  }

  /** The same, ready for a model. */
  ShadowConfig over(ShadowNetwork made) {
    return new ShadowConfig(fields(), made);
  }

  /** The small model beside the model that this config is applied to. */
  public ShadowNetwork network() {
    if (network == null) {
      throw new IllegalStateException("The config is not applied to a model.");
    }
    return network;
  }

  /** Rank of what is taken into each layer. */
  public int r() {
    return fields().integer("r");
  }

  /** Strength of what is taken in. */
  public double shadowAlpha() {
    return fields().number("shadow_alpha");
  }

  /** Probability of dropping an element of the difference that is taken in, in training. */
  public double shadowDropout() {
    return fields().number("shadow_dropout");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** "mirror", or the folder or hub name of a model. */
  public String shadowModel() {
    return fields().text(MODEL).orElseThrow();
  }

  /** Number of layers of a mirrored model; 0 is 1 too. */
  public OptionalInt shadowNumHiddenLayers() {
    return size(LAYERS);
  }

  /** Length of its hidden states; empty for the base's. */
  public OptionalInt shadowHiddenSize() {
    return size(HIDDEN);
  }

  /** Number of its attention heads; empty for the base's. */
  public OptionalInt shadowNumAttentionHeads() {
    return size(HEADS);
  }

  /** Inner size of its feed-forward blocks; empty for the base's. */
  public OptionalInt shadowIntermediateSize() {
    return size(INTERMEDIATE);
  }

  /** Whether a mirrored model of the base's size reads the base's token vectors. */
  public boolean shareEmbeddings() {
    return fields().flag("share_embeddings");
  }

  /** Inner size of what makes the next state; empty for r. */
  public OptionalInt updateHiddenSize() {
    return size("update_hidden_size");
  }

  /** Weight of the small model's own loss in the loss. */
  public double auxiliaryLossWeight() {
    return fields().number("auxiliary_loss_weight");
  }

  private OptionalInt size(String name) {
    return fields().get(name) == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer(name));
  }

  /** A size, or empty where there is none or, as in Python, where it is 0. */
  Optional<Integer> positive(String name) {
    return size(name).stream().filter(value -> value > 0).boxed().findFirst();
  }
}
