package org.peftjava.peft.tuner.lora;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.PatternValues;
import org.peftjava.peft.tuner.TargetSpec;
import org.peftjava.peft.tuner.TunerMethod;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/** LoRA. Reference: PEFT {@code tuners/lora/model.py::LoraModel}. */
public final class LoraMethod implements TunerMethod<LoraConfig> {
  private static final Properties DEFAULT_TARGETS = defaultTargets();

  private static final Map<String, String> NOT_YET =
      Map.ofEntries(
          Map.entry("use_dora", "DoRA"),
          Map.entry("layer_replication", "layer replication"),
          Map.entry("trainable_token_indices", "trainable tokens"),
          Map.entry("target_parameters", "parameters as targets"),
          Map.entry("alora_invocation_tokens", "activated LoRA"),
          Map.entry("use_qalora", "QALoRA"),
          Map.entry("use_bdlora", "block-diagonal LoRA"),
          Map.entry("arrow_config", "Arrow"),
          Map.entry("kasa_config", "KaSA"),
          Map.entry("velora_config", "VeLoRA"),
          Map.entry("monteclora_config", "MonteCLoRA"),
          Map.entry("megatron_config", "Megatron"),
          Map.entry("ensure_weight_tying", "tied adapters"));

  /** The method; {@code TunerMethods} has it. */
  public LoraMethod() {}

  @Override
  public String peftType() {
    return "LORA";
  }

  @Override
  public String modelClass() {
    return "LoraModel";
  }

  @Override
  public String prefix() {
    return "lora_";
  }

  @Override
  public Class<LoraConfig> configType() {
    return LoraConfig.class;
  }

  @Override
  public LoraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return LoraConfig.of(values);
  }

  @Override
  public void checkSupported(LoraConfig config) {
    List<String> missing = new ArrayList<>();
    NOT_YET.forEach(
        (field, name) -> {
          if (config.fields().isSet(field)) {
            missing.add(name + " (" + field + ")");
          }
        });
    if (!config.initLoraWeights().isSupported()) {
      missing.add(
          "the initialization "
              + config.fields().get("init_lora_weights")
              + " (init_lora_weights)");
    }
    if (!missing.isEmpty()) {
      missing.sort(null);
      throw new UnsupportedOperationException(
          "This version cannot apply "
              + String.join(", ", missing)
              + ". The config can be read and written; to use it with a model, unset "
              + (missing.size() > 1 ? "these fields." : "this field."));
    }
  }

  @Override
  public TargetSpec targets(LoraConfig config) {
    return new TargetSpec(
        config.targetModules(),
        config.excludeModules(),
        config.layersToTransform(),
        config.layersPattern(),
        config.modulesToSave());
  }

  @Override
  public Optional<List<String>> defaultTargets(String modelType) {
    return Optional.ofNullable(DEFAULT_TARGETS.getProperty(modelType))
        .map(names -> List.of(names.split(" ")));
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer || layer instanceof EmbeddingLayer;
  }

  @Override
  public String adaptable() {
    return "linear layers (Linear, Conv1D, quantized) and embeddings";
  }

  @Override
  public List<String> warnings(LoraConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>();
    boolean transposed = settled(config, layers).fanInFanOut();
    if (transposed != config.fanInFanOut()) {
      result.add(
          "fanInFanOut is "
              + config.fanInFanOut()
              + ", but the targeted layers are "
              + (transposed ? "Conv1D" : "Linear")
              + ". It is set to "
              + transposed
              + ".");
    }
    addUnused(result, "rankPattern", config.rankPattern(), layers);
    addUnused(result, "alphaPattern", config.alphaPattern(), layers);
    if (config.loraBias()
        && layers.values().stream()
            .anyMatch(layer -> layer instanceof LinearLayer l && l.bias().isEmpty())) {
      result.add("loraBias is true, but some targeted layers have no bias: merging will fail.");
    }
    return result;
  }

  private static void addUnused(
      List<String> warnings,
      String field,
      Map<String, Number> patterns,
      Map<String, Module> layers) {
    List<String> unused = PatternValues.unused(patterns.keySet(), layers.keySet(), field);
    if (!unused.isEmpty()) {
      warnings.add(field + " keys " + unused + " match no targeted module and are ignored.");
    }
  }

  /** As in Python, the last targeted linear layer decides about fan_in_fan_out. */
  @Override
  public LoraConfig settled(LoraConfig config, Map<String, Module> layers) {
    LoraConfig result = config;
    for (Module layer : layers.values()) {
      if (layer instanceof LinearLayer && result.fanInFanOut() != layer instanceof Conv1D) {
        result = result.with("fan_in_fan_out", layer instanceof Conv1D);
      }
    }
    return result;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, LoraConfig config) {
    return LoraInitializer.newAdapter(
        site, config, rank(config, site.path()), scaling(config, site.path()));
  }

  @Override
  public BiasTraining bias(LoraConfig config) {
    return switch (config.bias()) {
      case NONE -> BiasTraining.NONE;
      case ALL -> BiasTraining.ALL;
      case LORA_ONLY -> BiasTraining.ADAPTED;
    };
  }

  /** The rank for a module. */
  static int rank(LoraConfig config, String path) {
    return value(config.rankPattern(), path, "rankPattern").orElse(config.r()).intValue();
  }

  /** Alpha for a module. */
  static double alpha(LoraConfig config, String path) {
    return value(config.alphaPattern(), path, "alphaPattern")
        .orElse(config.loraAlpha())
        .doubleValue();
  }

  /** The scaling for a module: alpha/r, or alpha/sqrt(r). */
  static double scaling(LoraConfig config, String path) {
    return LoraMath.scaling(alpha(config, path), rank(config, path), config.useRslora());
  }

  private static Optional<Number> value(Map<String, Number> patterns, String path, String field) {
    return PatternValues.keyFor(patterns.keySet(), path, field).map(patterns::get);
  }

  private static Properties defaultTargets() {
    Properties result = new Properties();
    try (InputStream in = LoraMethod.class.getResourceAsStream("default-targets.properties")) {
      result.load(Objects.requireNonNull(in, "default-targets.properties"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return result;
  }
}
