package org.peftjava.transformers.training;

import com.google.common.primitives.Floats;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;

/** What a model says about the examples of an evaluation, batch by batch. */
final class Predictions {
  private final List<long[]> likeliest = new ArrayList<>();
  private final List<long[]> labelIds = new ArrayList<>();
  private final List<float[]> logits = new ArrayList<>();
  private final List<float[]> floatLabels = new ArrayList<>();

  /** Adds the texts that were written for one batch. */
  void add(TokenIds written, TokenBatch batch) {
    batch.labels().ifPresent(rows -> Collections.addAll(labelIds, rows));
    Collections.addAll(likeliest, written.ids());
  }

  /** Adds one batch. */
  void add(ModelOutput output, TokenBatch batch) {
    batch.labels().ifPresent(rows -> Collections.addAll(labelIds, rows));
    batch.floatLabels().ifPresent(rows -> Collections.addAll(floatLabels, rows));
    if (batch.answerSpans().isPresent()) {
      Collections.addAll(labelIds, batch.answerSpans().get());
      addSpans(output.startLogits().orElseThrow(), output.endLogits().orElseThrow());
      return;
    }
    Tensor scores =
        output
            .logits()
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        "computeMetrics needs logits, but the model returned none although"
                            + " outputLogits was set."));
    likeliest.addAll(rows(scores.argmax(-1).toLongs(), batch.size()));
    if (scores.rank() == 2) {
      logits.addAll(rows(scores));
    }
  }

  private void addSpans(Tensor starts, Tensor ends) {
    long[] first = starts.argmax(-1).toLongs();
    long[] last = ends.argmax(-1).toLongs();
    List<float[]> startRows = rows(starts);
    List<float[]> endRows = rows(ends);
    for (int row = 0; row < first.length; row++) {
      likeliest.add(new long[] {first[row], last[row]});
      logits.add(Floats.concat(startRows.get(row), endRows.get(row)));
    }
  }

  private static List<long[]> rows(long[] flat, int count) {
    int width = flat.length / count;
    return IntStream.range(0, count)
        .mapToObj(row -> Arrays.copyOfRange(flat, row * width, (row + 1) * width))
        .toList();
  }

  private static List<float[]> rows(Tensor matrix) {
    float[] flat = matrix.to(DType.FLOAT32).toFloats();
    int width = (int) matrix.size(1);
    return IntStream.range(0, flat.length / width)
        .mapToObj(row -> Arrays.copyOfRange(flat, row * width, (row + 1) * width))
        .toList();
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
