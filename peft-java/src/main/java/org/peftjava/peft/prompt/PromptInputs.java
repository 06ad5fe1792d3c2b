package org.peftjava.peft.prompt;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.EmbeddingNoise;

/**
 * The parts of a model's input with room for n virtual tokens at the front of each row.
 *
 * <p>Letters: {@code b} rows, {@code n} virtual tokens, {@code t} tokens, {@code d} size of a
 * vector.
 */
final class PromptInputs {
  private PromptInputs() {}

  /** A mask (b, t) as (b, n + t): virtual tokens are seen by all. Null stays null. */
  static @Nullable Tensor mask(@Nullable Tensor mask, long n) {
    return mask == null ? null : inFront(1, mask, n);
  }

  /** Labels (b, t) as (b, n + t): virtual tokens are nobody's label. Null stays null. */
  static @Nullable Tensor labels(@Nullable Tensor labels, long n) {
    return labels == null ? null : inFront(CrossEntropy.IGNORED, labels, n);
  }

  /** Segments (b, t) as (b, n + t): virtual tokens are of the first. Null stays null. */
  static @Nullable Tensor segments(@Nullable Tensor types, long n) {
    return types == null ? null : inFront(0, types, n);
  }

  /** The ids or embeddings that the input gives. */
  static Tensor first(ModelInput input) {
    Tensor given = input.inputIds() != null ? input.inputIds() : input.inputsEmbeds();
    if (given == null) {
      throw new IllegalArgumentException(
          "Neither inputIds nor inputsEmbeds are given. Pass exactly one of them.");
    }
    return given;
  }

  /** The vectors (b, t, d) of the text. */
  static Tensor embeds(Backbone backbone, ModelInput input) {
    @Nullable Tensor given = input.inputsEmbeds();
    return given != null
        ? given
        : EmbeddingNoise.on(
            backbone.inputEmbeddings().forward(first(input)), input.embeddingNoise());
  }

  /** The mask is of the text alone: what is wrong with it is said in its terms. */
  static void checkMask(ModelInput input, long seen) {
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

  /** The input behind the virtual tokens (b, n, d): its vectors and its mask. */
  static ModelInput.Builder behind(Tensor prompts, Tensor embeds, ModelInput input) {
    return input.toBuilder()
        .inputsEmbeds(embeddings(prompts, embeds))
        .attentionMask(mask(input.attentionMask(), prompts.size(1)));
  }

  private static Tensor inFront(long value, Tensor numbers, long n) {
    Tensor front = Creation.full(numbers.dtype(), value, numbers.size(0), n);
    return Creation.cat(List.of(front.to(numbers.device()), numbers), 1);
  }

  /** Vectors (b, t, d) behind the virtual tokens (b, n, d). */
  static Tensor embeddings(Tensor prompts, Tensor embeds) {
    if (prompts.size(2) != embeds.size(2)) {
      throw new IllegalArgumentException(
          "The virtual tokens have vectors of size "
              + prompts.size(2)
              + " (token_dim), but the model's token embedding has "
              + embeds.size(2)
              + ". Set tokenDim to "
              + embeds.size(2)
              + " in the adapter's config.");
    }
    return Creation.cat(List.of(prompts, embeds), 1);
  }

  /**
   * The positions (b, t) of tokens behind n virtual ones: those that are given, or counted over the
   * unpadded tokens of each row; null for a plain range.
   *
   * @param given (b, t), or null
   * @param mask (b, s) over all tokens but the virtual ones, or null
   */
  static @Nullable Tensor positions(
      @Nullable Tensor given, @Nullable Tensor mask, long tokens, long n) {
    if (given != null) {
      return given.add((double) n);
    }
    if (mask == null) {
      return null;
    }
    Tensor counted = mask.cumsum(1).add(n - 1.0).to(DType.INT64);
    Tensor visible = counted.maskedFill(mask.eq(0), n);
    return visible.narrow(1, mask.size(1) - tokens, tokens);
  }
}
