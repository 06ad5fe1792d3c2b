package org.peftjava.transformers.generation;

import java.util.List;
import java.util.Optional;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * What generation has found, on the host; Python's {@code generate(return_dict_in_generate=True)}.
 *
 * @param sequences prompts and continuations, one length for all rows
 * @param sequencesScores of beam search, one a row; empty for others, or unless {@code
 *     output_scores}
 * @param scores the processed logits of each step (rows, v); with beams one row a beam, and
 *     logarithms of probabilities. Empty unless {@code output_scores}
 * @param logits the model's logits of each step (rows, v); empty unless {@code output_logits}
 * @param beamIndices of beam search: for each row and step the row of {@code scores} that the token
 *     was chosen from, -1 behind the end
 */
@SuppressWarnings("ArrayRecordComponent") // plain data for reading; nobody compares outputs
public record GenerateOutput(
    TokenIds sequences,
    Optional<float[]> sequencesScores,
    List<float[][]> scores,
    List<float[][]> logits,
    Optional<int[][]> beamIndices) {

  /**
   * The score of each generated token, as {@code compute_transition_scores} finds it; 0 behind the
   * end of a beam.
   *
   * @param normalizeLogits whether scores are made logarithms of probabilities
   */
  public float[][] transitionScores(boolean normalizeLogits) {
    if (scores.isEmpty()) {
      throw new IllegalStateException(
          "There are no scores. Generate with output_scores set to true.");
    }
    long[][] ids = sequences.ids();
    int steps = beamIndices.map(GenerateOutput::longest).orElse(scores.size());
    float[][] result = new float[ids.length][steps];
    for (int row = 0; row < ids.length; row++) {
      int begin = ids[row].length - steps;
      for (int step = 0; step < steps; step++) {
        int beam = beamIndices.isPresent() ? beamIndices.get()[row][step] : row;
        if (beam >= 0) {
          float[] choice = scores.get(step)[beam];
          float score = choice[Math.toIntExact(ids[row][begin + step])];
          result[row][step] = normalizeLogits ? score - logSumExp(choice) : score;
        }
      }
    }
    return result;
  }

  private static int longest(int[][] beamIndices) {
    int longest = 0;
    for (int[] row : beamIndices) {
      int length = 0;
      for (int beam : row) {
        length += beam < 0 ? 0 : 1;
      }
      longest = Math.max(longest, length);
    }
    return longest;
  }

  private static float logSumExp(float[] values) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float value : values) {
      largest = Math.max(largest, value);
    }
    double sum = 0;
    for (float value : values) {
      sum += Math.exp(value - largest);
    }
    return (float) (largest + Math.log(sum));
  }
}
