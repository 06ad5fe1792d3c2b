package org.peftjava.peft.tuner.ia3;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.CombinableMethod;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TargetSpec;
import org.peftjava.peft.tuner.WeightedAdapterOptions;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;

/** IA3. Reference: PEFT {@code tuners/ia3/model.py::IA3Model}. */
public final class IA3Method extends LayerTunerMethod<IA3Config>
    implements CombinableMethod<IA3Config> {
  private static final DefaultTargets FEEDFORWARD = DefaultTargets.of("ia3-feedforward");

  /** The method; {@code TunerMethods} has it. */
  public IA3Method() {
    super("IA3", "IA3Model", "ia3_", IA3Config.class, DefaultTargets.of("ia3"));
  }

  @Override
  public IA3Config parse(Map<String, ? extends @Nullable Object> values) {
    return IA3Config.of(values);
  }

  /** Fills in the architecture's feed-forward modules. */
  @Override
  public IA3Config prepared(IA3Config config, BaseModel model) {
    if (!(config.feedforwardModules() instanceof TargetModules.ModelDefault)) {
      return config;
    }
    return model
        .modelType()
        .flatMap(FEEDFORWARD::get)
        .map(names -> config.with(IA3Config.FEEDFORWARD, names))
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Give feedforwardModules in IA3Config: there is no default for "
                        + model.className()
                        + ". Name the targeted modules whose input is to be scaled, or none."));
  }

  /** Names stay as they are: those of feed-forward modules must fit them. */
  @Override
  public TargetSpec targets(IA3Config config) {
    return super.targets(config).keepingNames();
  }

  @Override
  public String layerType(String kind) {
    return kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, IA3Config config) {
    boolean scalesInput = config.feedforwardModules().selects(site.path(), "feedforwardModules");
    Init init = config.initIa3Weights() ? Init.ones() : Init.normal(1);
    return new IA3Adapter(
        scalesInput
            ? site.parameter(init, 1, site.linear().inFeatures())
            : site.parameter(init, site.linear().outFeatures(), 1),
        scalesInput);
  }

  /** The first config with the targets of all. */
  @Override
  public IA3Config combinedConfig(List<IA3Config> configs, WeightedAdapterOptions options) {
    return configs
        .get(0)
        .with(
            "target_modules",
            CombinableMethod.joinedTargets(
                configs.stream().map(IA3Config::targetModules).toList(), "target_modules"))
        .with(
            IA3Config.FEEDFORWARD,
            CombinableMethod.joinedTargets(
                configs.stream().map(IA3Config::feedforwardModules).toList(),
                IA3Config.FEEDFORWARD));
  }

  /** The weighted sum of the vectors; the options say nothing here. */
  @Override
  public void combine(
      IA3Config config,
      LayerAdapter target,
      List<LayerAdapter> sources,
      double[] weights,
      WeightedAdapterOptions options) {
    Tensor sum = values(target).fillInPlace(0);
    for (int i = 0; i < weights.length; i++) {
      Tensor source = values(sources.get(i));
      if (!source.shape().equals(sum.shape())) {
        throw new IllegalArgumentException(
            "A layer is scaled at its input by one adapter and at its output by another, "
                + source.shape()
                + " and "
                + sum.shape()
                + ". The adapters must agree in feedforwardModules.");
      }
      sum.addInPlace(source.to(sum.dtype()), weights[i]);
    }
  }

  private static Tensor values(LayerAdapter adapter) {
    return adapter.weights().get(0).parameter().tensor().detach();
  }
}
