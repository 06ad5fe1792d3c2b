package org.peftjava.peft;

import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.prompt.PromptedDecoder;
import org.peftjava.peft.prompt.Seq2SeqPrompt;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.Seq2SeqLanguageModel;
import org.peftjava.transformers.Seq2SeqOutput;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.GenerateOutput;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.EncoderDecoderCache;
import org.peftjava.transformers.tokenizer.DecodeOptions;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * A model that writes text from text, with adapters in encoder and decoder: trains and generates as
 * the base does.
 *
 * <p>Saving writes the adapters only. Reference: PEFT {@code peft_model.py::PeftModelForSeq2SeqLM}.
 */
public final class PeftModelForSeq2SeqLM extends PeftModel
    implements Seq2SeqLanguageModel, OverModel<Seq2SeqLM> {
  private final Seq2SeqLM base;

  PeftModelForSeq2SeqLM(Seq2SeqLM base, boolean ownsBase) {
    super(BaseModels.of(base), ownsBase);
    this.base = base;
  }

  /** The model below the adapters. */
  @Override
  public Seq2SeqLM base() {
    return base;
  }

  @Override
  public ModelOutput forward(ModelInput given) {
    try (AdapterSet.Running pass = tuned().adapters().run()) {
      ModelInput input = given.to(device());
      Optional<ActingPrompt> prompt = tuned().prompts().acting();
      ModelOutput output =
          prompt.isPresent()
              ? Seq2SeqPrompt.forward(prompt.get(), base, input)
              : Tasks.forward(tuned(), input, base::forward);
      return AdapterSteps.withPenalty(tuned(), input, shiftsLabels(), output);
    }
  }

  @Override
  public Seq2SeqOutput encode(ModelInput given) {
    try (AdapterSet.Running pass = tuned().adapters().run()) {
      ModelInput input = given.to(device());
      Optional<ActingPrompt> prompt = tuned().prompts().acting();
      return prompt.isPresent()
          ? Seq2SeqPrompt.encode(prompt.get(), base, input)
          : Tasks.forward(tuned(), input, base::encode);
    }
  }

  /** Generates from rows that have adapters or tasks of their own. */
  public TokenIds generate(
      TokenBatch batch, Consumer<GenerationConfig.Builder> settings, PassOptions options) {
    return options.generate(tuned(), batch, whole -> generate(whole, settings));
  }

  @Override
  public Stream<String> generateStream(
      TokenBatch batch,
      Consumer<GenerationConfig.Builder> settings,
      Tokenizer tokenizer,
      Consumer<DecodeOptions.Builder> decoding) {
    return generateStream(batch, settings, tokenizer, decoding, PassOptions.builder().build());
  }

  /** The same for a prompt that has an adapter or a task of its own, beside other requests. */
  public Stream<String> generateStream(
      TokenBatch batch,
      Consumer<GenerationConfig.Builder> settings,
      Tokenizer tokenizer,
      Consumer<DecodeOptions.Builder> decoding,
      PassOptions options) {
    return options.generateStream(
        tuned(), batch, tokenizer, decoding, (told, with) -> generate(told, settings, with));
  }

  /** Where the batch has task ids, adapters that know tasks get them. */
  @Override
  public GenerateOutput generateOutput(
      TokenBatch batch, Consumer<GenerationConfig.Builder> settings, GenerateOptions options) {
    try (AdapterSet.Running generation = tuned().adapters().generation()) {
      return Tasks.during(
          tuned(),
          batch,
          () -> Seq2SeqLanguageModel.super.generateOutput(batch, settings, options));
    }
  }

  @Override
  public DecoderModel decoderModel() {
    DecoderModel plain = Seq2SeqLanguageModel.super.decoderModel();
    return tuned()
        .prompts()
        .acting()
        .filter(prompt -> prompt.place() == Place.KEY_VALUES)
        .<DecoderModel>map(prompt -> new PromptedDecoder(plain, prompt.tokens()))
        .orElse(plain);
  }

  @Override
  public GenerationConfig generationConfig() {
    return base.generationConfig();
  }

  /** This model: its parameters have Python's names. */
  @Override
  public PeftModelForSeq2SeqLM module() {
    return this;
  }

  @Override
  public EncoderDecoderCache newCache(long capacity) {
    return base.newCache(capacity);
  }

  @Override
  Optional<PromptShape> promptShape() {
    return Optional.of(new PromptShape(base.config().json(), 2));
  }

  @Override
  ModelCard modelCard(String peftType) {
    return ModelCard.of(base.config(), peftType, false);
  }
}
