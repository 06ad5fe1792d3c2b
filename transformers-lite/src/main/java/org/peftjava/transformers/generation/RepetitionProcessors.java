package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/**
 * Processors that look at tokens that occurred: in the text so far, or in the encoder's input (for
 * a decoder: its prompt).
 */
final class RepetitionProcessors {
  private RepetitionProcessors() {}

  /** Divides positive and multiplies negative logits of tokens that occurred (arXiv:1909.05858). */
  static LogitsProcessor repetitionPenalty(double penalty) {
    return (inputIds, logits) -> penalized(logits, inputIds.toTensor(), penalty);
  }

  /** The inverse penalty for tokens of the encoder's input, which become likelier. */
  static LogitsProcessor encoderRepetitionPenalty(double penalty, long[][] encoderIds) {
    return (inputIds, logits) -> {
      int copies = inputIds.rows() / encoderIds.length;
      long[][] rows = new long[inputIds.rows()][];
      Arrays.setAll(rows, row -> encoderIds[row / copies]);
      return penalized(logits, Creation.ofLongs(rows).to(logits.device()), 1 / penalty);
    };
  }

  private static Tensor penalized(Tensor logits, Tensor ids, double penalty) {
    Tensor seen = logits.gather(1, ids);
    Tensor penalized = Ops.where(seen.lt(0), seen.mul(penalty), seen.div(penalty));
    return Ops.scatter(logits, 1, ids, penalized);
  }

  /** Rules out tokens that would complete a run of {@code size} tokens for the second time. */
  static LogitsProcessor noRepeatNgram(int size) {
    return (inputIds, logits) -> {
      long vocabSize = logits.size(1);
      LongStream.Builder places = LongStream.builder();
      for (int row = 0; row < inputIds.rows(); row++) {
        for (int start = 0; start + size <= inputIds.length(); start++) {
          if (repeats(inputIds, row, start, size)) {
            places.add(row * vocabSize + inputIds.token(row, start + size - 1));
          }
        }
      }
      return Masks.withoutPlaces(logits, places.build().toArray());
    };
  }

  /** Whether the last size - 1 tokens are those at {@code start}. */
  private static boolean repeats(InputIds ids, int row, int start, int size) {
    int end = ids.length() - size + 1;
    for (int i = 0; i < size - 1; i++) {
      if (ids.token(row, start + i) != ids.token(row, end + i)) {
        return false;
      }
    }
    return true;
  }

  /** Rules out tokens that would complete a run of {@code size} tokens of the encoder's input. */
  static LogitsProcessor encoderNoRepeatNgram(int size, long[][] encoderIds) {
    List<Map<List<Long>, List<Long>>> runs = new ArrayList<>();
    for (long[] row : encoderIds) {
      runs.add(runs(row, size));
    }
    return (inputIds, logits) -> {
      long vocabSize = logits.size(1);
      int copies = inputIds.rows() / encoderIds.length;
      LongStream.Builder places = LongStream.builder();
      for (int row = 0; inputIds.length() >= size - 1 && row < inputIds.rows(); row++) {
        long[] ids = inputIds.row(row);
        List<Long> prefix = boxed(ids, ids.length - size + 1, ids.length);
        for (long token : runs.get(row / copies).getOrDefault(prefix, List.of())) {
          places.add(row * vocabSize + token);
        }
      }
      return Masks.withoutPlaces(logits, places.build().toArray());
    };
  }

  /** For each beginning of a run of {@code size} tokens the tokens that complete it. */
  private static Map<List<Long>, List<Long>> runs(long[] ids, int size) {
    Map<List<Long>, List<Long>> runs = new HashMap<>();
    for (int start = 0; start + size <= ids.length; start++) {
      List<Long> prefix = boxed(ids, start, start + size - 1);
      runs.computeIfAbsent(prefix, key -> new ArrayList<>()).add(ids[start + size - 1]);
    }
    return runs;
  }

  private static List<Long> boxed(long[] ids, int from, int to) {
    return Arrays.stream(ids, from, to).boxed().toList();
  }
}
