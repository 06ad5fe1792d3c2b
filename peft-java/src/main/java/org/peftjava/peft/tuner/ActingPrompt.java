package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * The virtual tokens that act now.
 *
 * @param config of the adapter that they belong to
 * @param place where they stand
 * @param encoder what computes them
 * @param tasks the task of each text that is generated from; empty if inputs say it or none has one
 */
public record ActingPrompt(
    PromptLearningConfig config, Place place, PromptEncoder encoder, List<Long> tasks) {
  /** Number of virtual tokens n in front of a text. */
  public int tokens() {
    return config.required(PromptFields.VIRTUAL_TOKENS);
  }

  ActingPrompt withTasks(List<Long> known) {
    return new ActingPrompt(config, place, encoder, known);
  }

  /**
   * What the encoder learned, for each row: (b, n, d), or (b, 2 n, d) for encoder and decoder,
   * owned by the current scope.
   *
   * @param taskIds (b), the task of each row, or null
   */
  public Tensor rows(long batch, DType dtype, @Nullable Tensor taskIds) {
    Tensor ids = taskIds != null || tasks.isEmpty() ? taskIds : tasks(batch);
    if (ids != null && ids.size(0) != batch) {
      throw new IllegalArgumentException(
          "taskIds has " + ids.size(0) + " numbers, but the batch has " + batch + " rows.");
    }
    Tensor learned = encoder.forward(ids).to(dtype);
    return learned.rank() == 3
        ? learned
        : learned.unsqueeze(0).expand(batch, learned.size(0), learned.size(1));
  }

  /** The task of each row, where each text may have several rows, as beams. */
  private Tensor tasks(long batch) {
    if (batch % tasks.size() != 0) {
      throw new IllegalArgumentException(
          "taskIds has " + tasks.size() + " numbers, but the batch has " + batch + " rows.");
    }
    int copies = (int) (batch / tasks.size());
    long[] ids = new long[(int) batch];
    Arrays.setAll(ids, row -> tasks.get(row / copies));
    return Creation.ofLongs(ids, batch);
  }
}
