package org.peftjava.peft.tuner.xlora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.peft.tuner.TargetMatcher.Match;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.TunerMethod;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** X-LoRA. Reference: PEFT {@code tuners/xlora/model.py::XLoraModel}. */
public final class XLoraMethod extends LayerTunerMethod<XLoraConfig> {
  private static final String EXPERTS = "LORA";

  /** The method; {@code TunerMethods} has it. */
  public XLoraMethod() {
    super("XLORA", "XLoraModel", "xlora_", XLoraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public XLoraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return XLoraConfig.of(values);
  }

  @Override
  public XLoraConfig prepared(XLoraConfig config, BaseModel model) {
    if (config.hiddenSize().isEmpty()) {
      throw config.fields().invalid(XLoraConfig.HIDDEN_SIZE, "must be set");
    }
    if (config.experts().isEmpty()) {
      throw config.fields().invalid(XLoraConfig.ADAPTERS, "must name at least one LoRA adapter");
    }
    List<TunerConfig> experts = new ArrayList<>();
    for (TunerConfig expert : config.experts()) {
      experts.add(prepared(TunerMethods.ofLayers(EXPERTS), expert, model));
    }
    XLoraConfig result = config.withExperts(experts);
    return result.routed(new XLoraRouting(result));
  }

  private static <C extends TunerConfig> TunerConfig prepared(
      TunerMethod<C> method, TunerConfig config, BaseModel model) {
    C typed = method.configType().cast(config);
    method.checkSupported(typed);
    if (Boolean.TRUE.equals(config.fields().get("use_dora"))) {
      throw config.fields().invalid("use_dora", "must be false for an adapter of X-LoRA");
    }
    return method.prepared(typed, model);
  }

  /** The layers of all adapters, in the model's order. */
  @Override
  public Match match(XLoraConfig config, BaseModel model) {
    Set<String> found = new LinkedHashSet<>();
    List<List<String>> places = new ArrayList<>();
    List<String> warnings = new ArrayList<>();
    List<TunerConfig> experts = config.experts();
    for (TunerConfig expert : experts) {
      Match match = match(TunerMethods.ofLayers(EXPERTS), expert, model);
      found.addAll(match.paths());
      places.add(match.paths());
      warnings.addAll(match.warnings());
    }
    List<String> paths =
        model.root().namedModules().keySet().stream().filter(found::contains).toList();
    config.routing().places(paths, places);
    return new Match(paths, List.of(), TargetModules.modelDefault(), warnings);
  }

  private static <C extends TunerConfig> Match match(
      TunerMethod<C> method, TunerConfig config, BaseModel model) {
    return method.match(method.configType().cast(config), model);
  }

  @Override
  public XLoraConfig targeted(XLoraConfig config, TargetModules targets) {
    return config;
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer || layer instanceof EmbeddingLayer;
  }

  @Override
  public SharedWeights newShared(XLoraConfig config, Map<String, Module> layers) {
    DType type =
        layers.values().stream()
            .flatMap(layer -> layer.namedState().values().stream())
            .map(Parameter::dtype)
            .filter(DType::isFloatingPoint)
            .findFirst()
            .orElse(DType.FLOAT32);
    XLoraClassifier classifier =
        new XLoraClassifier(config, layers.size(), config.experts().size(), type);
    config.routing().classifier(classifier);
    return new SharedWeights(classifier.weights());
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, XLoraConfig config) {
    Map<Integer, LayerAdapter> experts = new LinkedHashMap<>();
    for (int i = 0; i < config.experts().size(); i++) {
      if (config.routing().has(i, site.path())) {
        experts.put(i, expert(TunerMethods.ofLayers(EXPERTS), config.experts().get(i), site));
      }
    }
    return new MixedExperts(
        config.routing(),
        config.routing().layer(site.path()),
        site.layer() instanceof LinearLayer,
        config.useTrainableAdapters(),
        experts);
  }

  private static <C extends TunerConfig> LayerAdapter expert(
      TunerMethod<C> method, TunerConfig config, LayerSite site) {
    return method.newAdapter(site, method.configType().cast(config));
  }
}
