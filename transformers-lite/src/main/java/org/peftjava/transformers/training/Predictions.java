package org.peftjava.transformers.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** What a model says about the examples of an evaluation, batch by batch. */
final class Predictions {
  private final List<long[]> likeliest = new ArrayList<>();
  private final List<long[]> labelIds = new ArrayList<>();
  private final List<float[]> logits = new ArrayList<>();
  private final List<float[]> floatLabels = new ArrayList<>();

  /** Adds one batch. */
  void add(ModelOutput output, TokenBatch batch) {
    Tensor scores =
        output
            .logits()
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        "computeMetrics needs logits, but the model returned none although"
                            + " outputLogits was set."));
    long[] best = scores.argmax(-1).toLongs();
    int width = best.length / batch.size();
    for (int row = 0; row < batch.size(); row++) {
      likeliest.add(Arrays.copyOfRange(best, row * width, (row + 1) * width));
    }
    batch.labels().ifPresent(rows -> Collections.addAll(labelIds, rows));
    batch.floatLabels().ifPresent(rows -> Collections.addAll(floatLabels, rows));
    if (scores.rank() == 2) {
      float[] flat = scores.to(DType.FLOAT32).toFloats();
      int labels = (int) scores.size(1);
      for (int row = 0; row < batch.size(); row++) {
        logits.add(Arrays.copyOfRange(flat, row * labels, (row + 1) * labels));
      }
    }
  }

  /** Everything so far. */
  EvalPrediction collected() {
    return new EvalPrediction(
        likeliest.toArray(long[][]::new),
        labelIds.toArray(long[][]::new),
        logits.toArray(float[][]::new),
        floatLabels.toArray(float[][]::new));
  }
}
