package org.peftjava.peft.prompt;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.KvCache.KeyValues;
import org.peftjava.transformers.model.PrefixCache;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A language model behind virtual tokens.
 *
 * <p>They come in front of the first tokens of a text; a cache that has seen them goes on without.
 * Masks and positions are those of the text alone. Virtual tokens in front of the embeddings have
 * logits, in front of those of the text; a prefix has none.
 *
 * <p>Reference: PEFT {@code PeftModelForCausalLM.forward, prepare_inputs_for_generation}.
 */
public final class CausalPrompt {
  private static final Logger LOG = LoggerFactory.getLogger(CausalPrompt.class);

  private CausalPrompt() {}

  /** Computes what {@code base} says to an input behind the virtual tokens. */
  public static ModelOutput forward(ActingPrompt prompt, CausalLM base, ModelInput input) {
    int n = prompt.tokens();
    KvCache past = input.past();
    long cached = past == null ? 0 : past.length();
    boolean begun = cached > 0;
    checkMask(input, begun ? cached - n : 0);
    if (input.tokenTypeIds() != null) {
      LOG.warn("Token type ids have no meaning in front of virtual tokens and are ignored.");
    }
    ModelInput.Builder changed =
        input.toBuilder()
            .attentionMask(PromptInputs.mask(input.attentionMask(), n))
            .tokenTypeIds(null);
    if (prompt.place() == Place.KEY_VALUES) {
      changed.positionIds(
          PromptInputs.positions(input.positionIds(), input.attentionMask(), tokens(input), n));
      return begun ? base.forward(changed.build()) : behindPrefix(prompt, base, input, changed);
    }
    if (input.positionIds() != null) {
      LOG.warn("Position ids have no meaning behind virtual tokens and are ignored.");
    }
    changed.positionIds(null);
    if (!begun) {
      Tensor embeds = embeds(base, input);
      Tensor prompts = prompt.rows(embeds.size(0), embeds.dtype(), null);
      changed
          .inputsEmbeds(PromptInputs.embeddings(prompts, embeds))
          .labels(PromptInputs.labels(input.labels(), n));
    }
    return base.forward(changed.build());
  }

  private static ModelOutput behindPrefix(
      ActingPrompt prompt, CausalLM base, ModelInput input, ModelInput.Builder changed) {
    List<KeyValues> prefix = Prefix.ofDecoder(prompt, first(input).size(0), base.dtype());
    KvCache past = input.past();
    if (past != null) {
      Prefix.fill(past, prefix);
      return base.forward(changed.build());
    }
    try (PrefixCache cache = new PrefixCache(prefix)) {
      return base.forward(changed.past(cache).build());
    }
  }

  private static Tensor embeds(CausalLM base, ModelInput input) {
    @Nullable Tensor given = input.inputsEmbeds();
    return given != null
        ? given
        : base.backbone().inputEmbeddings().forward(Objects.requireNonNull(input.inputIds()));
  }

  private static long tokens(ModelInput input) {
    return first(input).size(1);
  }

  private static Tensor first(ModelInput input) {
    Tensor given = input.inputIds() != null ? input.inputIds() : input.inputsEmbeds();
    if (given == null) {
      throw new IllegalArgumentException(
          "Neither inputIds nor inputsEmbeds are given. Pass exactly one of them.");
    }
    return given;
  }

  /** The mask is of the text alone: what is wrong with it is said in its terms. */
  private static void checkMask(ModelInput input, long seen) {
    Tensor given = first(input);
    Tensor mask = input.attentionMask();
    if (mask != null
        && (mask.rank() != 2
            || mask.size(0) != given.size(0)
            || mask.size(1) != seen + given.size(1))) {
      throw new IllegalArgumentException(
          "attentionMask has shape "
              + mask.shape()
              + ". Expected ["
              + given.size(0)
              + ", "
              + (seen + given.size(1))
              + "]: one number per row and token, including the tokens in the cache, without the"
              + " virtual tokens.");
    }
  }
}
