package org.peftjava.peft.tuner;

import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * The virtual tokens that act now.
 *
 * @param config of the adapter that they belong to
 * @param place where they stand
 * @param encoder what computes them
 */
public record ActingPrompt(PromptLearningConfig config, Place place, PromptEncoder encoder) {
  /** Number of virtual tokens n in front of a text. */
  public int tokens() {
    return config.required(PromptFields.VIRTUAL_TOKENS);
  }

  /**
   * What the encoder learned, for each row: (b, n, d), or (b, 2 n, d) for encoder and decoder,
   * owned by the current scope.
   *
   * @param taskIds (b), the task of each row, or null
   */
  public Tensor rows(long batch, DType dtype, @Nullable Tensor taskIds) {
    Tensor learned = encoder.forward(taskIds).to(dtype);
    return learned.rank() == 3
        ? learned
        : learned.unsqueeze(0).expand(batch, learned.size(0), learned.size(1));
  }
}
