package org.peftjava.peft;

import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.peft.prompt.CausalPrompt;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.prompt.PromptedDecoder;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.Invocations;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelAdapters;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.RepeatedPasses;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.GenerateOutput;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.DecodeOptions;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * A language model with adapters: trains and generates as the base does.
 *
 * <p>Saving writes the adapters only. Reference: PEFT {@code peft_model.py::PeftModelForCausalLM}.
 */
public final class PeftModelForCausalLM extends PeftModel
    implements CausalLanguageModel, OverModel<CausalLM> {
  private final CausalLM base;

  PeftModelForCausalLM(CausalLM base, boolean ownsBase) {
    super(BaseModels.of(base), ownsBase);
    this.base = base;
  }

  /** The model below the adapters. */
  @Override
  public CausalLM base() {
    return base;
  }

  @Override
  public ModelOutput forward(ModelInput given) {
    try (AdapterSet.Running pass = tuned().adapters().run()) {
      ModelInput input = given.to(device());
      Optional<ActingPrompt> prompt = tuned().prompts().acting();
      ModelOutput output =
          prompt.isPresent()
              ? CausalPrompt.forward(prompt.get(), base, input)
              : ShadowPasses.forward(
                  tuned(), base, input, in -> XLoraPasses.forward(tuned(), in, this::single));
      return AdapterSteps.withPenalty(tuned(), input, shiftsLabels(), output);
    }
  }

  /** One pass through the base. */
  private ModelOutput single(ModelInput input) {
    return Tasks.forward(tuned(), input, in -> Invoked.forward(tuned(), in, base::forward));
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
          () ->
              CausalLanguageModel.super.generateOutput(
                  batch, XLoraPasses.settings(tuned(), settings), options));
    }
  }

  /**
   * The result of {@code work}, within which adapters that wait for an invocation
   * (aloraInvocationTokens) act for given tokens: Python's {@code alora_offsets}.
   *
   * @param aloraOffsets how many of the last tokens of each row; 0 for none
   */
  public <T> T withAloraOffsets(long[] aloraOffsets, Supplier<T> work) {
    return PassOptions.invoked(tuned(), aloraOffsets, work);
  }

  @Override
  public DecoderModel decoderModel() {
    DecoderModel plain = CausalLanguageModel.super.decoderModel();
    Invocations invocations = Invocations.of(tuned());
    if (!invocations.isEmpty() && !invocations.isKnown()) {
      return new InvokedDecoder(plain, invocations);
    }
    return tuned()
        .prompts()
        .acting()
        .<DecoderModel>map(prompt -> new PromptedDecoder(plain, prompt.tokens()))
        .orElse(plain);
  }

  /** Adapters that look at more than the new token need a pass of their own for each. */
  @Override
  public Optional<RepeatedPasses> repeatedPasses() {
    AdapterSet adapters = tuned().adapters();
    boolean alike =
        tuned().prompts().acting().isEmpty()
            && ShadowPasses.acting(tuned()).isEmpty()
            && XLoraPasses.acting(tuned()).isEmpty()
            && Invocations.of(tuned()).isEmpty()
            && !adapters.hasRows()
            && adapters.tasks().isEmpty()
            && !tuned().isTraining();
    return alike ? base.repeatedPasses().map(below -> through(adapters, below)) : Optional.empty();
  }

  private static RepeatedPasses through(AdapterSet adapters, RepeatedPasses below) {
    return new RepeatedPasses() {
      @Override
      public ModelAdapters.Pass run() {
        AdapterSet.Running pass = adapters.run();
        try {
          ModelAdapters.Pass weights = below.run();
          return () -> {
            weights.close();
            pass.close();
          };
        } catch (RuntimeException e) {
          pass.close();
          throw e;
        }
      }

      @Override
      public long changes() {
        return adapters.changes() + below.changes();
      }
    };
  }

  @Override
  public GenerationConfig generationConfig() {
    return base.generationConfig();
  }

  /** This model: its parameters have Python's names. */
  @Override
  public PeftModelForCausalLM module() {
    return this;
  }

  @Override
  public KvCache newCache(long capacity) {
    return base.newCache(capacity);
  }

  @Override
  Optional<PromptShape> promptShape() {
    return Optional.of(new PromptShape(base.config().json(), 1));
  }

  @Override
  boolean hasTokenStates() {
    return true;
  }

  @Override
  ModelCard modelCard(String peftType) {
    return ModelCard.of(base.config(), peftType, true);
  }
}
