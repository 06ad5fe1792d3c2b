package org.peftjava.peft.tuner.adaptionprompt;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.BesideAdapter;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TargetMatcher.Match;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * LLaMA-Adapter: the attentions of the upper layers ask learned vectors beside the text, weighed by
 * a gate that starts as zero. Paper: arXiv:2303.16199. Reference: PEFT {@code
 * tuners/adaption_prompt/model.py::AdaptionPromptModel}.
 *
 * <p>With GPT-2 what comes of the vectors is not projected back, as in Python.
 */
public final class AdaptionPromptMethod extends LayerTunerMethod<AdaptionPromptConfig> {
  private static final DefaultTargets ATTENTIONS = DefaultTargets.of("adaption-prompt");

  /** The method; {@code TunerMethods} has it. */
  public AdaptionPromptMethod() {
    super(
        "ADAPTION_PROMPT",
        "AdaptionPromptModel",
        "adaption_prompt_",
        AdaptionPromptConfig.class,
        ATTENTIONS);
  }

  @Override
  public AdaptionPromptConfig parse(Map<String, ? extends @Nullable Object> values) {
    return AdaptionPromptConfig.of(values);
  }

  @Override
  public AdaptionPromptConfig prepared(AdaptionPromptConfig config, BaseModel model) {
    config.required(AdaptionPromptConfig.LENGTH);
    config.required(AdaptionPromptConfig.LAYERS);
    String type = model.modelType().orElse(model.className());
    if (ATTENTIONS.get(type).isEmpty()) {
      throw new IllegalArgumentException(
          "Adaption prompts are for llama, mistral and gpt2 models, but this is a \""
              + type
              + "\". Prefix tuning (PrefixTuningConfig) is similar and works on it.");
    }
    return config;
  }

  /** The uppermost of the layers that the name selects. */
  @Override
  public Match match(AdaptionPromptConfig config, BaseModel model) {
    Match all = super.match(config, model);
    List<String> paths = all.paths();
    int count = config.required(AdaptionPromptConfig.LAYERS);
    if (count > paths.size()) {
      throw config
          .fields()
          .invalid(
              AdaptionPromptConfig.LAYERS,
              "must be at most " + paths.size() + ", the number of layers with " + all.targets());
    }
    return new Match(
        paths.subList(paths.size() - count, paths.size()),
        all.modulesToSave(),
        all.targets(),
        all.warnings());
  }

  @Override
  public AdaptionPromptConfig targeted(AdaptionPromptConfig config, TargetModules targets) {
    return targets instanceof TargetModules.Names names
        ? config.with(AdaptionPromptConfig.TARGET, names.names().get(0))
        : config;
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof AttentionLayer<?>;
  }

  @Override
  public String adaptable() {
    return "the attentions of decoder layers";
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, AdaptionPromptConfig config) {
    long length = config.required(AdaptionPromptConfig.LENGTH);
    return new BesideAdapter(
        "adaption_prompt",
        parameter(site, Init.normal(1), 1, length, hiddenSize(site.layer())),
        "adaption_gate",
        parameter(site, Init.zeros(), 1));
  }

  private static long hiddenSize(Module attention) {
    return attention.namedModules().values().stream()
        .filter(LinearLayer.class::isInstance)
        .map(LinearLayer.class::cast)
        .findFirst()
        .orElseThrow()
        .inFeatures();
  }

  /** Of the type of the projections, unless their weights are codes. */
  private static Parameter parameter(LayerSite site, Init init, long... sizes) {
    DType type = site.baseType().isFloatingPoint() ? site.baseType() : DType.FLOAT32;
    Parameter result = new Parameter(Shape.of(sizes), DType.FLOAT32, site.drawn(init));
    result.initialize();
    result.to(type);
    result.to(site.device());
    result.requiresGrad(false);
    return result;
  }
}
