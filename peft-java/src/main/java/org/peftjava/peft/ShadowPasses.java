package org.peftjava.peft;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.peft.tuner.shadow.ShadowNetwork;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;

/**
 * Passes through a model with ShadowPEFT: the small model reads the text first, its hidden states
 * ride through the base's layers, and its own loss is a part of the loss.
 *
 * <p>Reference: PEFT {@code tuners/shadow/model.py::ShadowModel.forward, shadow_auxiliary_loss}.
 */
final class ShadowPasses {
  private ShadowPasses() {}

  /** The config of the adapter that acts, if it is of this kind. */
  static Optional<ShadowConfig> acting(TunedModel model) {
    Stream<String> active =
        model.adapters().isEnabled() ? model.adapters().active().stream() : Stream.empty();
    return active
        .map(model.configs()::get)
        .filter(ShadowConfig.class::isInstance)
        .map(ShadowConfig.class::cast)
        .findFirst();
  }

  /** What {@code forward} gives, with the shadow if one acts. */
  static ModelOutput forward(
      TunedModel model,
      PretrainedModel base,
      ModelInput input,
      Function<ModelInput, ModelOutput> forward) {
    Optional<ShadowConfig> acting = acting(model);
    if (acting.isEmpty()) {
      return forward.apply(input);
    }
    ShadowConfig config = acting.get();
    ShadowNetwork network = config.network();
    ShadowSide side = (ShadowSide) network.side();
    Tensor state =
        network
            .projected(
                side.hidden(
                    input,
                    base.getInputEmbeddings(),
                    side.beside(input.past(), network),
                    model.isTraining()))
            .to(base.dtype());
    ModelOutput output = model.adapters().withCarried(state, () -> forward.apply(input));
    network.lastShadowLoss(OptionalDouble.empty());
    if (output.loss().isEmpty() || input.labelSmoothing() > 0) {
      return output; // Python's Trainer smooths labels of which the model then knows nothing
    }
    return head(config, base)
        .ownLoss(state, input)
        .map(
            own -> {
              network.lastShadowLoss(OptionalDouble.of(own.toDouble()));
              double weight = config.auxiliaryLossWeight();
              Tensor loss = output.loss().get();
              return weight > 0
                  ? output.with(loss.add(own.to(loss.device()).to(loss.dtype()).mul(weight)))
                  : output;
            })
        .orElse(output);
  }

  /** The head that the small model's own loss is of: the base's, or its own for texts. */
  static ShadowHead head(ShadowConfig config, PretrainedModel base) {
    Optional<TaskType> task = config.taskType();
    return new ShadowHead(
        task.equals(Optional.of(TaskType.CAUSAL_LM))
            ? base.getOutputEmbeddings().orElse(null)
            : null,
        config.network().head());
  }

  /** The state of the last token of each text (b, e), wherever the padding is. */
  static Tensor lastTokens(Tensor state, @Nullable Tensor mask) {
    long tokens = state.size(1);
    if (mask == null) {
      return state.select(1, tokens - 1);
    }
    Tensor places = Creation.arange(0, tokens, mask.device());
    Tensor last = mask.ne(0).to(DType.INT64).mul(places).argmax(-1).to(state.device());
    Tensor rows = Creation.arange(0, state.size(0), state.device());
    return state
        .reshape(state.size(0) * tokens, state.size(2))
        .indexSelect(0, rows.mul((double) tokens).to(DType.INT64).add(last));
  }
}
