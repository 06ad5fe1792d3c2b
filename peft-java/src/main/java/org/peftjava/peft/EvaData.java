package org.peftjava.peft;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.lora.Eva;
import org.peftjava.peft.tuner.lora.EvaConfig;
import org.peftjava.peft.tuner.lora.EvaOptions;
import org.peftjava.peft.tuner.lora.EvaStart;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Brings models and batches of tokens to {@link Eva}. Reference: PEFT {@code tuners/lora/eva.py}.
 */
final class EvaData {
  private EvaData() {}

  /** What each layer of an adapter would start with, by the layer's path in the PeftModel. */
  static <B> Map<String, Tensor> stateDict(
      PeftModel model, Iterable<B> loader, EvaOptions<B> options) {
    TunedModel tuned = model.tuned();
    LoraConfig config = EvaStart.config(tuned, options.adapterName());
    List<String> paths = EvaStart.paths(tuned, options.adapterName());
    Map<String, Tensor> result = new LinkedHashMap<>();
    model
        .withoutAdapter(() -> Eva.stateDict(tuned.base().root(), paths, loader, config, options))
        .forEach((path, values) -> result.put(AdapterCheckpoint.PREFIX + path, values));
    return result;
  }

  /** The same for a model without adapters, by path in it. */
  static <B> Map<String, Tensor> stateDict(
      Module model, Iterable<B> loader, LoraConfig config, EvaOptions<B> options) {
    return Eva.stateDict(model, PreparedLayers.linear(model, config), loader, config, options);
  }

  static <B> void initialize(PeftModel model, @Nullable Iterable<B> loader, EvaOptions<B> options) {
    try (TensorScope scope = TensorScope.open("initialize with EVA")) {
      Map<String, Tensor> state = options.evaStateDict().orElse(null);
      if (state == null) {
        if (loader == null) {
          throw new IllegalArgumentException(
              "EVA needs a dataloader, or the option evaStateDict(...).");
        }
        state = stateDict(model, loader, options);
      }
      Map<String, Tensor> values = new LinkedHashMap<>();
      state.forEach(
          (name, value) ->
              values.put(
                  name.startsWith(AdapterCheckpoint.PREFIX)
                      ? name.substring(AdapterCheckpoint.PREFIX.length())
                      : name,
                  value));
      EvaStart.apply(model.tuned(), options.adapterName(), values);
    }
  }

  static <B> EvaOptions<B> options(Module model, Consumer<EvaOptions.Builder<B>> options) {
    EvaOptions.Builder<B> builder =
        new EvaOptions.Builder<>(batch -> forward(model, batch), EvaData::tokens);
    options.accept(builder);
    return builder.build();
  }

  private static void forward(Module model, Object batch) {
    if (!(model instanceof PretrainedModel pretrained) || !(batch instanceof TokenBatch tokens)) {
      throw new IllegalArgumentException(
          "EVA does not know how a "
              + model.getClass().getSimpleName()
              + " runs on a "
              + batch.getClass().getSimpleName()
              + ". Give the option forwardFn(...).");
    }
    pretrained.forward(
        ModelInput.builder()
            .inputIds(Creation.ofLongs(tokens.inputIds()).to(pretrained.device()))
            .attentionMask(Creation.ofLongs(tokens.attentionMask()).to(pretrained.device()))
            .logitsToKeep(1)
            .build());
  }

  /** The numbers of the tokens that count, row by row; null where all batches are others'. */
  private static @Nullable Tensor tokens(Object batch, LoraConfig config) {
    if (!(batch instanceof TokenBatch tokens)) {
      return null;
    }
    EvaConfig eva = EvaConfig.of(config.fields().object("eva_config").orElse(Map.of()));
    long[] mask = flat(tokens.attentionMask());
    long[] labels =
        eva.useLabelMask()
            ? tokens
                .labels()
                .filter(rows -> rows[0].length == tokens.length())
                .map(EvaData::flat)
                .orElse(null)
            : null;
    long[] result =
        IntStream.range(0, mask.length)
            .filter(i -> mask[i] != 0 && (labels == null || labels[i] != eva.labelMaskValue()))
            .asLongStream()
            .toArray();
    return Creation.ofLongs(result, result.length);
  }

  private static long[] flat(long[][] rows) {
    return Arrays.stream(rows).flatMapToLong(Arrays::stream).toArray();
  }
}
