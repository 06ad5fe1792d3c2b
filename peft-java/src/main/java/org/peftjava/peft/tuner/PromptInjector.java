package org.peftjava.peft.tuner;

import java.util.List;
import org.peftjava.peft.tuner.LayerInjector.Injection;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;

/**
 * Puts the virtual tokens of one config in front of a model. Nothing changes if it throws.
 *
 * <p>Reference: PEFT {@code PeftModel._setup_prompt_encoder, set_additional_trainable_modules}.
 */
final class PromptInjector {
  private final BaseModel model;
  private final AdapterSet set;
  private final PromptEncoders prompts;

  PromptInjector(BaseModel model, AdapterSet set, PromptEncoders prompts) {
    this.model = model;
    this.set = set;
    this.prompts = prompts;
  }

  <C extends PromptLearningConfig> Injection add(
      PromptLearningMethod<C> method, TunerConfig given, String name) {
    set.checkNew(name);
    C config = method.configType().cast(given);
    List<String> saved = TargetMatcher.named(model, config.modulesToSave());
    saved.forEach(path -> TrainedInFull.checkCopyable(path, original(path)));
    PromptEncoder encoder = encoder(method, config);
    set.add(name);
    prompts.add(name, new ActingPrompt(config, method.place(), encoder, List.of()));
    saved.forEach(path -> TrainedInFull.at(model, set, path).add(name));
    return new Injection(
        config, List.of(), saved, SharedWeights.NONE, new BaseChanges(), List.of());
  }

  private Module original(String path) {
    Module module = ModulePath.get(model.root(), path);
    return module instanceof LayerWrapper wrapper ? wrapper.original() : module;
  }

  private <C extends PromptLearningConfig> PromptEncoder encoder(
      PromptLearningMethod<C> method, C config) {
    PromptSite site =
        model
            .promptSite()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        model.className()
                            + " cannot take the virtual tokens of "
                            + method.peftType()
                            + ": they need a transformer of this library, loaded with an"
                            + " AutoModel class. Adapters of single layers, such as LoRA, work on"
                            + " any module."));
    PromptEncoder encoder = method.newEncoder(config, site);
    try {
      encoder.initialize();
      if (site.words().table().isMaterialized()) { // else only sizes are wanted
        encoder.to(site.words().table().tensor().device());
      }
      return encoder;
    } catch (RuntimeException e) {
      encoder.close();
      throw e;
    }
  }
}
