package org.peftjava.peft.tuner.shadow;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.peft.tuner.SideModels;
import org.peftjava.peft.tuner.TargetMatcher.Match;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.shadow.ShadowAdapter.Perceptron;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StackLayer;

/** ShadowPEFT. Reference: PEFT {@code tuners/shadow/model.py::ShadowModel}. */
public final class ShadowMethod extends LayerTunerMethod<ShadowConfig> {
  /** The method; {@code TunerMethods} has it. */
  public ShadowMethod() {
    super("SHADOW", "ShadowModel", "shadow_", ShadowConfig.class, DefaultTargets.NONE);
  }

  @Override
  public ShadowConfig parse(Map<String, ? extends @Nullable Object> values) {
    return ShadowConfig.of(values);
  }

  @Override
  public void checkBeside(ShadowConfig config, Collection<TunerConfig> others) {
    Optional<TaskType> texts = Optional.of(TaskType.SEQ_CLS);
    boolean classifies =
        config.taskType().equals(texts)
            || others.stream().anyMatch(other -> other.taskType().equals(texts));
    if (classifies && !others.isEmpty()) {
      throw new IllegalArgumentException(
          "A model that classifies texts can have one SHADOW adapter only, because its head is"
              + " trained twice, for the model and for the shadow. Delete the other one first.");
    }
  }

  /** All layers, unless the config names some. */
  @Override
  public ShadowConfig prepared(ShadowConfig config, BaseModel model) {
    SideModels models =
        model
            .sideModels()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "SHADOW is for decoders, such as Llama, OPT or GPT-2, but this is a "
                            + model.className()
                            + "."));
    ShadowConfig targeted =
        config.fields().isSet("target_modules")
            ? config
            : config.with("target_modules", models.layers());
    return targeted.over(new ShadowNetwork(models));
  }

  /** The state goes from the first layer to the last one, so there may be no gap. */
  @Override
  public Match match(ShadowConfig config, BaseModel model) {
    Match result = super.match(config, model);
    List<String> layers = model.sideModels().map(SideModels::layers).orElse(List.of());
    List<String> paths = layers.stream().filter(result.paths()::contains).toList();
    if (paths.size() == result.paths().size()
        && !paths.equals(
            layers.subList(
                layers.indexOf(paths.get(0)), layers.indexOf(paths.get(0)) + paths.size()))) {
      throw config
          .fields()
          .invalid("target_modules", "must select layers without a gap, but selects " + paths);
    }
    return result;
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof StackLayer<?>;
  }

  @Override
  public String adaptable() {
    return "whole layers of decoders";
  }

  @Override
  public SharedWeights newShared(ShadowConfig config, Map<String, Module> layers) {
    return new SharedWeights(config.network().build(config, List.copyOf(layers.keySet())));
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, ShadowConfig config) {
    int size = config.network().hiddenSize();
    int r = config.r();
    int inner = config.positive("update_hidden_size").orElse(r);
    List<Parameter> ends =
        List.of(
            parameter(site, Init.kaimingUniform(size), r, size),
            parameter(site, config.initWeights() ? Init.zeros() : Init.kaimingUniform(r), size, r));
    List<Perceptron> networks = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      Init first = Init.kaimingUniform(size);
      Init second = Init.kaimingUniform(inner);
      networks.add(
          new Perceptron(
              parameter(site, first, inner, size),
              parameter(site, first, inner),
              parameter(site, second, size, inner),
              parameter(site, second, size)));
    }
    return new ShadowAdapter(
        ends,
        networks,
        config,
        config.network().isFirst(site.path()),
        config.network().isLast(site.path()));
  }

  /** Float32, whatever the type of the layer, which has no single weight. */
  private static Parameter parameter(LayerSite site, Init init, long... sizes) {
    Parameter result = new Parameter(Shape.of(sizes), DType.FLOAT32, site.drawn(init));
    result.initialize();
    result.to(site.device());
    result.requiresGrad(false);
    return result;
  }
}
