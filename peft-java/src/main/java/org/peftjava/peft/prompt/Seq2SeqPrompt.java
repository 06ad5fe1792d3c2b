package org.peftjava.peft.prompt;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.Seq2SeqInput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.Seq2SeqOutput;
import org.peftjava.transformers.model.EncoderDecoderCache;
import org.peftjava.transformers.model.PrefixCache;

/**
 * A model that writes text from text, behind virtual tokens.
 *
 * <p>Virtual tokens in front of the embeddings stand in front of the source, which the encoder
 * reads, and with some methods in front of the target too; a prefix stands in front of the
 * decoder's own keys and values. Masks are those of the texts alone.
 *
 * <p>Reference: PEFT {@code PeftModelForSeq2SeqLM.forward, generate}.
 */
public final class Seq2SeqPrompt {
  private Seq2SeqPrompt() {}

  /** Computes what {@code base} says to an input behind the virtual tokens. */
  public static ModelOutput forward(ActingPrompt prompt, Seq2SeqLM base, ModelInput input) {
    if (prompt.place() == Place.KEY_VALUES) {
      return behindPrefix(prompt, base, input);
    }
    Seq2SeqInput given = input.seq2seq();
    if (given != null && given.encoderOutputs() != null) {
      Tensor mask = PromptInputs.mask(input.attentionMask(), prompt.tokens());
      return base.forward(input.toBuilder().attentionMask(mask).build());
    }
    ModelInput changed = source(prompt, base, input);
    return base.forward(
        prompt.encoder().isOfBothSides() ? target(prompt, base, input, changed) : changed);
  }

  /** The decoder's rows, if it has some, are the last n of each row's 2 n. */
  private static ModelInput target(
      ActingPrompt prompt, Seq2SeqLM base, ModelInput input, ModelInput changed) {
    if (prompt.config().required(PromptFields.SUBMODULES) == 1) {
      return changed;
    }
    int n = prompt.tokens();
    Seq2SeqInput given =
        Objects.requireNonNullElseGet(input.seq2seq(), () -> Seq2SeqInput.builder().build());
    Tensor embeds = given.decoderInputsEmbeds();
    if (embeds == null) {
      Tensor ids = given.decoderInputIds();
      embeds =
          base.backbone()
              .inputEmbeddings()
              .forward(
                  ids != null
                      ? ids
                      : base.prepareDecoderInputIdsFromLabels(
                          Objects.requireNonNull(
                              input.labels(),
                              "Pass labels, decoderInputIds or"
                                  + " decoderInputsEmbeds: the decoder needs tokens.")));
    }
    Tensor prompts = prompt.rows(embeds.size(0), embeds.dtype(), input.taskIds());
    return changed.toBuilder()
        .labels(PromptInputs.labels(input.labels(), n))
        .seq2seq(
            given.toBuilder()
                .decoderInputsEmbeds(PromptInputs.embeddings(prompts.narrow(1, n, n), embeds))
                .decoderAttentionMask(PromptInputs.mask(given.decoderAttentionMask(), n))
                .build())
        .build();
  }

  /** What the encoder makes of a source behind the virtual tokens, if it sees any. */
  public static Seq2SeqOutput encode(ActingPrompt prompt, Seq2SeqLM base, ModelInput input) {
    return base.encode(prompt.place() == Place.KEY_VALUES ? input : source(prompt, base, input));
  }

  /** The encoder's rows are the first n of each row's 2 n. */
  private static ModelInput source(ActingPrompt prompt, Seq2SeqLM base, ModelInput input) {
    PromptInputs.checkMask(input, 0);
    Tensor embeds = PromptInputs.embeds(base.backbone(), input);
    Tensor prompts = prompt.rows(embeds.size(0), embeds.dtype(), input.taskIds());
    return PromptInputs.behind(prompts.narrow(1, 0, prompt.tokens()), embeds, input).build();
  }

  private static ModelOutput behindPrefix(ActingPrompt prompt, Seq2SeqLM base, ModelInput input) {
    Seq2SeqInput given =
        Objects.requireNonNullElseGet(input.seq2seq(), () -> Seq2SeqInput.builder().build());
    @Nullable EncoderDecoderCache past = given.pastKeyValues();
    Tensor mask = PromptInputs.mask(given.decoderAttentionMask(), prompt.tokens());
    if (past != null) {
      if (past.length() == 0) {
        Prefix.fill(
            past.selfAttention(),
            Prefix.of(prompt, rows(input, given), base.dtype(), base.backbone()));
      }
      return base.forward(with(input, given, mask, past));
    }
    try (EncoderDecoderCache prefix =
        new EncoderDecoderCache(
            new PrefixCache(
                Prefix.of(prompt, rows(input, given), base.dtype(), base.backbone())))) {
      return base.forward(with(input, given, mask, prefix));
    }
  }

  private static ModelInput with(
      ModelInput input, Seq2SeqInput given, @Nullable Tensor mask, EncoderDecoderCache past) {
    return input.toBuilder()
        .seq2seq(given.toBuilder().decoderAttentionMask(mask).pastKeyValues(past).build())
        .build();
  }

  private static long rows(ModelInput input, Seq2SeqInput given) {
    Tensor states = given.encoderOutputs();
    return (states == null ? PromptInputs.first(input) : states).size(0);
  }
}
