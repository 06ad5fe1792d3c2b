package org.peftjava.peft.prompt;

import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.model.Backbone;
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

  /**
   * What virtual tokens stand in front of.
   *
   * @param backbone the stack with the token embeddings
   * @param labelsOfTokens whether each token has a label
   */
  private record Base(PretrainedModel model, Backbone backbone, boolean labelsOfTokens) {}

  /** Computes what {@code base} says to an input behind the virtual tokens. */
  public static ModelOutput forward(ActingPrompt prompt, TaskModel base, ModelInput input) {
    boolean tokens = base.task() == Task.TOKEN_CLASSIFICATION || base.task() == Task.MASKED_LM;
    return forward(prompt, new Base(base, base.backbone(), tokens), input);
  }

  /** Computes the hidden states behind the virtual tokens: theirs too, if they are embeddings. */
  public static ModelOutput forward(ActingPrompt prompt, FeatureExtraction base, ModelInput input) {
    return forward(prompt, new Base(base, base.backbone(), false), input);
  }

  private static ModelOutput forward(ActingPrompt prompt, Base base, ModelInput input) {
    PromptInputs.checkMask(input, 0);
    return prompt.place() == Place.KEY_VALUES
        ? behindPrefix(prompt, base, input)
        : base.model().forward(behindTokens(prompt, base, input));
  }

  private static ModelOutput behindPrefix(ActingPrompt prompt, Base base, ModelInput input) {
    int n = prompt.tokens();
    long rows = PromptInputs.first(input).size(0);
    Tensor given = input.positionIds();
    try (PrefixCache prefix =
        new PrefixCache(Prefix.of(prompt, rows, base.model().dtype(), base.backbone()))) {
      return base.model()
          .forward(
              input.toBuilder()
                  .attentionMask(PromptInputs.mask(input.attentionMask(), n))
                  .positionIds(given == null ? null : given.add((double) n))
                  .past(prefix)
                  .build());
    }
  }

  private static ModelInput behindTokens(ActingPrompt prompt, Base base, ModelInput input) {
    int n = prompt.tokens();
    if (input.positionIds() != null) {
      LOG.warn("Position ids have no meaning behind virtual tokens and are ignored.");
    }
    Tensor embeds = PromptInputs.embeds(base.backbone(), input);
    Tensor prompts = prompt.rows(embeds.size(0), embeds.dtype(), input.taskIds());
    return PromptInputs.behind(prompts, embeds, input)
        .positionIds(null)
        .tokenTypeIds(PromptInputs.segments(input.tokenTypeIds(), n))
        .labels(base.labelsOfTokens() ? PromptInputs.labels(input.labels(), n) : input.labels())
        .build();
  }
}
