package org.peftjava.peft.prompt;

import java.util.List;
import java.util.Objects;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.peft.tuner.cpt.CPTConfig;
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
    Tensor first = PromptInputs.first(input);
    KvCache past = input.past();
    long cached = past == null ? 0 : past.length();
    boolean begun = cached > 0;
    PromptInputs.checkMask(input, begun ? cached - n : 0);
    if (input.tokenTypeIds() != null) {
      LOG.warn("Token type ids have no meaning in front of virtual tokens and are ignored.");
    }
    ModelInput.Builder changed =
        input.toBuilder()
            .attentionMask(PromptInputs.mask(input.attentionMask(), n))
            .tokenTypeIds(null);
    if (prompt.place() == Place.KEY_VALUES) {
      changed.positionIds(
          PromptInputs.positions(input.positionIds(), input.attentionMask(), first.size(1), n));
      return begun ? base.forward(changed.build()) : behindPrefix(prompt, base, input, changed);
    }
    if (input.positionIds() != null) {
      LOG.warn("Position ids have no meaning behind virtual tokens and are ignored.");
    }
    changed.positionIds(null);
    if (!begun) {
      Tensor embeds = PromptInputs.embeds(base.backbone(), input);
      Tensor prompts = prompt.rows(embeds.size(0), embeds.dtype(), input.taskIds());
      changed.inputsEmbeds(PromptInputs.embeddings(prompts, embeds));
      if (prompt.config() instanceof CPTConfig context && input.labels() != null) {
        return withLoss(context, base, input, changed);
      }
      changed.labels(PromptInputs.labels(input.labels(), n));
    }
    return base.forward(changed.build());
  }

  private static ModelOutput withLoss(
      CPTConfig config, CausalLM base, ModelInput input, ModelInput.Builder changed) {
    Tensor labels = Objects.requireNonNull(input.labels());
    ModelOutput output = base.forward(changed.labels(null).build());
    Tensor loss =
        new ContextLoss(config)
            .of(output.logits().orElseThrow(), labels, input.inputTypeMask(), input.lossDivisor());
    return output.with(loss);
  }

  private static ModelOutput behindPrefix(
      ActingPrompt prompt, CausalLM base, ModelInput input, ModelInput.Builder changed) {
    long rows = PromptInputs.first(input).size(0);
    List<KeyValues> prefix = Prefix.of(prompt, rows, base.dtype(), base.backbone());
    KvCache past = input.past();
    if (past != null) {
      Prefix.fill(past, prefix);
      return base.forward(changed.build());
    }
    try (PrefixCache cache = new PrefixCache(prefix)) {
      return base.forward(changed.past(cache).build());
    }
  }
}
