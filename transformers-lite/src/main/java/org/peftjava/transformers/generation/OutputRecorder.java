package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/** Copies the scores and logits of each step to the host, if the settings want them. */
final class OutputRecorder {
  private final boolean wantsScores;
  private final boolean wantsLogits;
  private final List<float[][]> scores = new ArrayList<>();
  private final List<float[][]> logits = new ArrayList<>();

  OutputRecorder(GenerationConfig config) {
    wantsScores = config.outputScores();
    wantsLogits = config.outputLogits();
  }

  void scores(Tensor step) {
    if (wantsScores) {
      scores.add(rows(step));
    }
  }

  void logits(Tensor step) {
    if (wantsLogits) {
      logits.add(rows(step));
    }
  }

  List<float[][]> scores() {
    return List.copyOf(scores);
  }

  List<float[][]> logits() {
    return List.copyOf(logits);
  }

  private static float[][] rows(Tensor matrix) {
    int width = Math.toIntExact(matrix.size(1));
    float[] flat = matrix.to(DType.FLOAT32).toFloats();
    float[][] rows = new float[flat.length / width][];
    Arrays.setAll(rows, row -> Arrays.copyOfRange(flat, row * width, (row + 1) * width));
    return rows;
  }
}
