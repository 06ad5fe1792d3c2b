package org.peftjava.peft.tuner.xlora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.TunerConfigBuilder;

/**
 * The configuration of X-LoRA, immutable: the LoRA adapters that are mixed, and the classifier that
 * mixes them.
 *
 * <p>Paper: arXiv:2402.07148. Reference: PEFT {@code tuners/xlora/config.py}.
 */
public final class XLoraConfig extends LayerTunerConfig {
  static final String HIDDEN_SIZE = "hidden_size";
  static final String ADAPTERS = "adapters";

  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("XLoraConfig", "XLORA")
          .optionalInteger(HIDDEN_SIZE, 1)
          .object(ADAPTERS)
          .flag("enable_softmax", true)
          .flag("enable_softmax_topk", false)
          .flag("layerwise_scalings", false)
          .integer("xlora_depth", 1, 1)
          .integer("xlora_size", 2048, 1)
          .dropout("xlora_dropout_p", 0.2)
          .flag("use_trainable_adapters", false)
          .number("softmax_temperature", 1)
          .optionalInteger("top_k_lora", 1)
          .number("scaling_pass_value", 0)
          .number("global_scaling_weight", 1)
          .rule(
              fields -> {
                if (!(fields.number("softmax_temperature") > 0)) {
                  throw fields.invalid("softmax_temperature", "must be above 0");
                }
              })
          .build();

  private final List<TunerConfig> experts; // empty until their files are read
  private final @Nullable XLoraRouting routing;

  private XLoraConfig(
      ConfigFields fields, List<TunerConfig> experts, @Nullable XLoraRouting routing) {
    super(fields);
    this.experts = List.copyOf(experts);
    this.routing = routing;
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static XLoraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new XLoraConfig(SCHEMA.read(values), List.of(), null);
  }

  /** A builder with Python's defaults. */
  public static XLoraConfigBuilder builder() {
    return new XLoraConfigBuilder(Map.of());
  }

  /** A builder that starts from this config. */
  public XLoraConfigBuilder toBuilder() {
    return new XLoraConfigBuilder(fields().values());
  }

  @Override
  public XLoraConfig with(String field, @Nullable Object value) {
    return new XLoraConfig(SCHEMA.check(fields().with(field, value)), experts, routing);
  }

  /** The same with the configs of its adapters, in their order. */
  public XLoraConfig withExperts(List<TunerConfig> configs) {
    return new XLoraConfig(fields(), configs, routing);
  }

  /** The same, ready for a model. */
  XLoraConfig routed(XLoraRouting made) {
    return new XLoraConfig(fields(), experts, made);
  }

  /** The configs of its adapters, once they are read. */
  public List<TunerConfig> experts() {
    return experts;
  }

  /** What mixes the adapters of the model that this config is applied to. */
  public XLoraRouting routing() {
    if (routing == null) {
      throw new IllegalStateException("The config is not applied to a model.");
    }
    return routing;
  }

  /** Size of the model's hidden states; must be set to make an adapter. */
  public OptionalInt hiddenSize() {
    return number(HIDDEN_SIZE);
  }

  /** The LoRA adapters: a folder or hub name for each name. */
  public Map<String, String> adapters() {
    Map<String, String> result = new LinkedHashMap<>();
    fields()
        .object(ADAPTERS)
        .ifPresent(
            found ->
                found.forEach(
                    (name, path) -> {
                      if (!(path instanceof String text)) {
                        throw fields().invalid(ADAPTERS, "must have a text for each name");
                      }
                      result.put(name, text);
                    }));
    return result;
  }

  /** Whether shares add up to 1. */
  public boolean enableSoftmax() {
    return fields().flag("enable_softmax");
  }

  /** Whether the shares of the chosen adapters add up to 1. */
  public boolean enableSoftmaxTopk() {
    return fields().flag("enable_softmax_topk");
  }

  /** Whether each layer has shares of its own. */
  public boolean layerwiseScalings() {
    return fields().flag("layerwise_scalings");
  }

  /** Number of linear layers of the classifier. */
  public int xloraDepth() {
    return fields().integer("xlora_depth");
  }

  /** Size of the classifier between its layers. */
  public int xloraSize() {
    return fields().integer("xlora_size");
  }

  /** Dropout probability between the classifier's layers. */
  public double xloraDropoutP() {
    return fields().number("xlora_dropout_p");
  }

  /** Whether the LoRA adapters are trained too. */
  public boolean useTrainableAdapters() {
    return fields().flag("use_trainable_adapters");
  }

  /** What the classifier's logits are divided by. */
  public double softmaxTemperature() {
    return fields().number("softmax_temperature");
  }

  /** How many adapters a token gets; empty for all. */
  public OptionalInt topKLora() {
    return number("top_k_lora");
  }

  /** The share of each adapter while the classifier's input is computed. */
  public double scalingPassValue() {
    return fields().number("scaling_pass_value");
  }

  /** What everything that adapters add is multiplied by. */
  public double globalScalingWeight() {
    return fields().number("global_scaling_weight");
  }

  private OptionalInt number(String name) {
    return fields().get(name) == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer(name));
  }

  /** Collects the fields of an {@link XLoraConfig}. */
  public static final class XLoraConfigBuilder extends TunerConfigBuilder<XLoraConfigBuilder> {
    private XLoraConfigBuilder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected XLoraConfigBuilder self() {
      return this;
    }

    /** Size of the model's hidden states; must be set. */
    public XLoraConfigBuilder hiddenSize(int value) {
      return set(HIDDEN_SIZE, value);
    }

    /** The LoRA adapters: a folder or hub name for each name. */
    public XLoraConfigBuilder adapters(Map<String, String> value) {
      return set(ADAPTERS, value);
    }

    /** Whether shares add up to 1; true. */
    public XLoraConfigBuilder enableSoftmax(boolean value) {
      return set("enable_softmax", value);
    }

    /** Whether the shares of the chosen adapters add up to 1; false. */
    public XLoraConfigBuilder enableSoftmaxTopk(boolean value) {
      return set("enable_softmax_topk", value);
    }

    /** Whether each layer has shares of its own; false. */
    public XLoraConfigBuilder layerwiseScalings(boolean value) {
      return set("layerwise_scalings", value);
    }

    /** Number of linear layers of the classifier; 1. */
    public XLoraConfigBuilder xloraDepth(int value) {
      return set("xlora_depth", value);
    }

    /** Size of the classifier between its layers; 2048. */
    public XLoraConfigBuilder xloraSize(int value) {
      return set("xlora_size", value);
    }

    /** Dropout probability between the classifier's layers; 0.2. */
    public XLoraConfigBuilder xloraDropoutP(double value) {
      return set("xlora_dropout_p", value);
    }

    /** Whether the LoRA adapters are trained too; false. */
    public XLoraConfigBuilder useTrainableAdapters(boolean value) {
      return set("use_trainable_adapters", value);
    }

    /** What the classifier's logits are divided by; 1. */
    public XLoraConfigBuilder softmaxTemperature(double value) {
      return set("softmax_temperature", value);
    }

    /** How many adapters a token gets; all. */
    public XLoraConfigBuilder topKLora(int value) {
      return set("top_k_lora", value);
    }

    /** The share of each adapter while the classifier's input is computed; 0. */
    public XLoraConfigBuilder scalingPassValue(double value) {
      return set("scaling_pass_value", value);
    }

    /** What everything that adapters add is multiplied by; 1. */
    public XLoraConfigBuilder globalScalingWeight(double value) {
      return set("global_scaling_weight", value);
    }

    /** The config, checked. */
    public XLoraConfig build() {
      return of(values());
    }
  }
}
