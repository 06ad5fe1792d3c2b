package org.peftjava.transformers.generation;

import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.torch.Tensor;

/**
 * Makes tokens less likely that earlier groups of beams have chosen in the same step
 * (arXiv:1610.02424).
 */
final class HammingDiversity implements LogitsProcessor {
  private final float penalty;
  private long[][] chosen = {};

  HammingDiversity(double penalty) {
    this.penalty = (float) penalty;
  }

  /** The tokens that earlier groups have chosen in this step, for each prompt. */
  void chosen(long[][] tokens) {
    chosen = tokens;
  }

  @Override
  public Tensor logits(InputIds inputIds, Tensor logits) {
    long vocabSize = logits.size(1);
    int copies = inputIds.rows() / Math.max(1, chosen.length);
    Map<Long, Float> places = new LinkedHashMap<>();
    for (int row = 0; chosen.length > 0 && row < inputIds.rows(); row++) {
      for (long token : chosen[row / copies]) {
        places.merge(row * vocabSize + token, -penalty, Float::sum);
      }
    }
    return Masks.added(logits, places);
  }
}
