package org.peftjava.peft;

import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.xlora.XLoraConfig;
import org.peftjava.peft.tuner.xlora.XLoraRouting;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.generation.GenerationConfig;

/**
 * Passes through a model with X-LoRA: one whose hidden states say how much each token gets of each
 * adapter, and one that gives it. Reference: PEFT {@code
 * tuners/xlora/model.py::XLoraModel._enable_peft_forward_hooks}.
 */
final class XLoraPasses {
  private XLoraPasses() {}

  /** What mixes adapters now, if X-LoRA acts. */
  static Optional<XLoraRouting> acting(TunedModel model) {
    Stream<String> active =
        model.adapters().isEnabled() ? model.adapters().active().stream() : Stream.empty();
    return active
        .map(model.configs()::get)
        .filter(XLoraConfig.class::isInstance)
        .map(config -> ((XLoraConfig) config).routing())
        .findFirst();
  }

  /** What {@code forward} gives: of two passes if X-LoRA acts. */
  static ModelOutput forward(
      TunedModel model, ModelInput input, Function<ModelInput, ModelOutput> forward) {
    Optional<XLoraRouting> routing = acting(model);
    if (routing.isEmpty()) {
      return forward.apply(input);
    }
    if (input.past() != null) {
      throw new IllegalArgumentException(
          "X-LoRA cannot use a cache of keys and values: earlier tokens get other shares when the"
              + " text grows. Give the whole text without past.");
    }
    Tensor hidden = hidden(routing.get(), input, forward);
    ModelInput whole =
        input.labels() == null ? input : input.toBuilder().outputLogits(true).build();
    return routing.get().routedPass(hidden, model.isTraining(), () -> forward.apply(whole));
  }

  private static Tensor hidden(
      XLoraRouting routing, ModelInput input, Function<ModelInput, ModelOutput> forward) {
    ModelInput asked =
        input.toBuilder()
            .labels(null)
            .startPositions(null)
            .endPositions(null)
            .outputHiddenStates(true)
            .build();
    try (TensorScope scope = TensorScope.open("scaling pass");
        GradMode off = GradMode.noGrad()) {
      Tensor ids = input.inputIds() == null ? input.inputsEmbeds() : input.inputIds();
      if (ids == null) {
        throw new IllegalArgumentException("Neither inputIds nor inputsEmbeds are given.");
      }
      List<Tensor> states =
          routing.scalingPass(ids.size(0), ids.size(1), () -> forward.apply(asked)).hiddenStates();
      return scope.keep(states.get(states.size() - 1).alias());
    }
  }

  /** The config with settings that have changed since, if it is X-LoRA's. */
  static TunerConfig present(TunerConfig config) {
    return config instanceof XLoraConfig xlora ? xlora.routing().present(xlora) : config;
  }

  /** The settings of a generation: without a cache, if X-LoRA acts. */
  static Consumer<GenerationConfig.Builder> settings(
      TunedModel model, Consumer<GenerationConfig.Builder> given) {
    return acting(model).isPresent() ? given.andThen(builder -> builder.useCache(false)) : given;
  }
}
