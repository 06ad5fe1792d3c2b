package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTraining;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.CombinableMethod;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.NoMatchingModulesException;
import org.peftjava.peft.tuner.ParameterTargets;
import org.peftjava.peft.tuner.TargetMatcher;
import org.peftjava.peft.tuner.TargetMatcher.Match;
import org.peftjava.peft.tuner.TokenTargets;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.WeightedAdapterOptions;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/** LoRA. Reference: PEFT {@code tuners/lora/model.py::LoraModel}. */
public final class LoraMethod extends LayerTunerMethod<LoraConfig>
    implements CombinableMethod<LoraConfig> {
  /** Fields of which a config may set one. */
  private static final List<String> VARIANTS =
      List.of(
          "use_dora",
          "arrow_config",
          "use_bdlora",
          "use_qalora",
          "alora_invocation_tokens",
          "velora_config",
          "monteclora_config",
          "kasa_config");

  /** The method; {@code TunerMethods} has it. */
  public LoraMethod() {
    super("LORA", "LoraModel", "lora_", LoraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public LoraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return LoraConfig.of(values);
  }

  @Override
  public void checkSupported(LoraConfig config) {
    checkCombination(config);
    if (config.fields().isSet("megatron_config")) {
      throw new UnsupportedOperationException(
          "Megatron's parallel layers (megatronConfig) cannot be adapted. The config can be read"
              + " and written; to use it with a model, unset this field.");
    }
  }

  /**
   * KaSA changes the base weights for good, which an adapter that was trained on others would not
   * expect.
   */
  @Override
  public void checkBeside(LoraConfig config, Collection<TunerConfig> others) {
    boolean isKasa = config.kasaConfig().isPresent();
    for (TunerConfig other : others) {
      boolean isOther = other instanceof LoraConfig lora && lora.kasaConfig().isPresent();
      if (isKasa != isOther) {
        throw new IllegalArgumentException(
            "KaSA changes the base weights, so that either all adapters of a model use it or none."
                + " This one "
                + (isKasa ? "does" : "does not")
                + ", another one "
                + (isOther ? "does." : "does not."));
      }
    }
  }

  @Override
  public Optional<AdapterTraining<LoraConfig>> training(
      LoraConfig config, Map<String, LayerAdapter> adapters) {
    return VariantTraining.of(config, adapters.values());
  }

  /** Throws if the config asks for more than one variant of LoRA, as PEFT does. */
  private static void checkCombination(LoraConfig config) {
    List<String> wanted = new ArrayList<>();
    VARIANTS.stream().filter(config.fields()::isSet).forEach(wanted::add);
    if (config.initLoraWeights() instanceof LoraInit.Mica) {
      wanted.add("init_lora_weights \"mica\"");
    }
    if (wanted.size() > 1) {
      throw new IllegalArgumentException(
          "LoraConfig: " + String.join(" and ", wanted) + " cannot be combined. Choose one.");
    }
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
    List<String> result = super.warnings(config, layers);
    if (config.loraBias()
        && layers.values().stream()
            .anyMatch(layer -> layer instanceof LinearLayer l && l.bias().isEmpty())) {
      result.add("loraBias is true, but some targeted layers have no bias: merging will fail.");
    }
    return result;
  }

  @Override
  public LoraConfig prepared(LoraConfig config, BaseModel model) {
    return LoraTying.prepared(config, model);
  }

  @Override
  public Map<String, String> ties(LoraConfig config, BaseModel model, List<String> paths) {
    return LoraTying.ties(config, model, paths);
  }

  @Override
  public LayerAdapter tiedAdapter(
      LayerSite site, LoraConfig config, LayerAdapter owner, boolean together) {
    if (!(owner instanceof LoraEmbeddingAdapter table)
        || !(site.layer() instanceof LinearLayer head)) {
      throw new IllegalArgumentException(
          "ensureWeightTying ties a head to an embedding, but \""
              + site.path()
              + "\" is a "
              + site.layer().getClass().getSimpleName()
              + ". Leave its embedding out of targetModules.");
    }
    if (together) {
      table.keepTies();
    }
    return new TiedLoraAdapter(head, table, config.loraDropout());
  }

  @Override
  public Match match(LoraConfig config, BaseModel model) {
    if (config.targetParameters().isEmpty()) {
      return withTables(config, model, super.match(config, model));
    }
    Match match = TargetMatcher.matchOrNothing(model, targets(config), this::defaultTargets);
    if (match.paths().isEmpty() && parameters(config, model).names().isEmpty()) {
      throw new NoMatchingModulesException(
          "Neither targetModules "
              + config.targetModules()
              + " nor targetParameters "
              + config.targetParameters()
              + " select anything in "
              + model.className()
              + ".");
    }
    return withTables(config, model, match);
  }

  private static Match withTables(LoraConfig config, BaseModel model, Match match) {
    return new Match(
        LoraTying.withTables(config, model, match.paths()),
        match.modulesToSave(),
        match.targets(),
        match.warnings());
  }

  @Override
  public ParameterTargets parameters(LoraConfig config, BaseModel model) {
    return config.targetParameters().isEmpty()
        ? ParameterTargets.NONE
        : ParameterTargets.of(model, config.targetParameters());
  }

  @Override
  public LayerAdapter newParameterAdapter(LayerSite site, LoraConfig config, List<String> names) {
    return ParameterLora.newAdapter(site, config, names);
  }

  @Override
  public TokenTargets tokens(LoraConfig config) {
    return TokenTargets.ofField(
        config.fields(), "trainable_token_indices", config.ensureWeightTying());
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, LoraConfig config) {
    return LoraInitializer.newAdapter(
        site, config, rank(config, site.path()), scaling(config, site.path()));
  }

  @Override
  public LoraConfig combinedConfig(List<LoraConfig> configs, WeightedAdapterOptions options) {
    return LoraCombination.config(configs, options);
  }

  @Override
  public void combine(
      LoraConfig config,
      LayerAdapter target,
      List<LayerAdapter> sources,
      double[] weights,
      WeightedAdapterOptions options) {
    boolean transposed = config.fanInFanOut() || target instanceof LoraEmbeddingAdapter;
    new LoraCombination(
            sources.stream().map(LowRank.class::cast).toList(), weights, options, transposed)
        .fill((LowRank) target);
  }

  /** The scaling for a module: alpha/r, or alpha/sqrt(r). */
  static double scaling(LoraConfig config, String path) {
    return LoraMath.scaling(
        alpha(config, "lora_alpha", path), rank(config, path), config.useRslora());
  }
}
