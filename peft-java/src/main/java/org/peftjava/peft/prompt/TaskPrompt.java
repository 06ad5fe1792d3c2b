package org.peftjava.peft.prompt;

import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.model.PrefixCache;
import org.peftjava.transformers.model.Task;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A model with a head for whole texts or for each token, behind virtual tokens.
 *
 * <p>Virtual tokens in front of the embeddings have outputs where every token has, in front of
 * those of the text. Labels of tokens are those of the text. The begin and the end of an answer are
 * places among all tokens, virtual ones included. What judges a text by its first token sees the
 * first virtual one.
 *
 * <p>Reference: PEFT {@code PeftModelForSequenceClassification.forward} and its siblings.
 */
public final class TaskPrompt {
  private static final Logger LOG = LoggerFactory.getLogger(TaskPrompt.class);

  private TaskPrompt() {}

  /** Computes what {@code base} says to an input behind the virtual tokens. */
  public static ModelOutput forward(ActingPrompt prompt, TaskModel base, ModelInput input) {
    PromptInputs.checkMask(input, 0);
    return prompt.place() == Place.KEY_VALUES
        ? behindPrefix(prompt, base, input)
        : base.forward(behindTokens(prompt, base, input));
  }

  private static ModelOutput behindPrefix(ActingPrompt prompt, TaskModel base, ModelInput input) {
    int n = prompt.tokens();
    long rows = PromptInputs.first(input).size(0);
    Tensor given = input.positionIds();
    try (PrefixCache prefix =
        new PrefixCache(Prefix.of(prompt, rows, base.dtype(), base.backbone()))) {
      return base.forward(
          input.toBuilder()
              .attentionMask(PromptInputs.mask(input.attentionMask(), n))
              .positionIds(given == null ? null : given.add((double) n))
              .past(prefix)
              .build());
    }
  }

  private static ModelInput behindTokens(ActingPrompt prompt, TaskModel base, ModelInput input) {
    int n = prompt.tokens();
    if (input.positionIds() != null) {
      LOG.warn("Position ids have no meaning behind virtual tokens and are ignored.");
    }
    Tensor embeds = PromptInputs.embeds(base.backbone(), input);
    Tensor prompts = prompt.rows(embeds.size(0), embeds.dtype(), input.taskIds());
    boolean labelsOfTokens =
        base.task() == Task.TOKEN_CLASSIFICATION || base.task() == Task.MASKED_LM;
    return PromptInputs.behind(prompts, embeds, input)
        .positionIds(null)
        .tokenTypeIds(PromptInputs.segments(input.tokenTypeIds(), n))
        .labels(labelsOfTokens ? PromptInputs.labels(input.labels(), n) : input.labels())
        .build();
  }
}
