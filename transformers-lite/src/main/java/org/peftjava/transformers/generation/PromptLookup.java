package org.peftjava.transformers.generation;

import java.util.Arrays;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * Guesses that a text goes on as it did where its last tokens occurred before.
 *
 * <p>Reference: {@code PromptLookupCandidateGenerator}.
 *
 * @param search whose rules candidates must keep
 * @param tokens how many tokens to guess
 * @param ngram how many of the last tokens to look for, at most
 * @param vocabSize number of tokens
 * @param config whose end tokens are not guessed
 */
record PromptLookup(
    TokenSearch search, int tokens, int ngram, int vocabSize, GenerationConfig config)
    implements CandidateGenerator {
  private static final long[] NONE = {};

  @Override
  public long[] candidates(long[][] ids, int at, int most) {
    long[] row = ids[0];
    for (int size = Math.min(ngram, at - 1); size > 0; size--) {
      for (int start = 0; start + size < at; start++) {
        if (Arrays.equals(row, start, start + size, row, at - size, at)) {
          int from = start + size;
          int to = Math.min(from + Math.min(tokens, most), at);
          long[] found = allowed(row, at, Arrays.copyOfRange(row, from, to));
          if (found.length > 0) {
            return beforeEnd(found);
          }
        }
      }
    }
    return NONE;
  }

  private long[] beforeEnd(long[] found) {
    return Arrays.stream(found).takeWhile(token -> !config.eosTokenIds().contains(token)).toArray();
  }

  /** The tokens before the first one that the rules forbid. */
  private long[] allowed(long[] row, int at, long[] found) {
    if (search.processors().isEmpty()) {
      return found;
    }
    long[] longer = Arrays.copyOf(row, at + found.length);
    System.arraycopy(found, 0, longer, at, found.length);
    long[][] rows = {longer};
    for (int i = 0; i < found.length; i++) {
      try (TensorScope scope = TensorScope.open("candidate")) {
        Device device = search.device();
        Tensor ones = Creation.zeros(DType.FLOAT32, device, 1, vocabSize).add(1);
        Tensor scores = search.processors().apply(search.seen(rows, at + i), ones);
        if (scores.select(0, 0).narrow(0, found[i], 1).toFloats()[0] <= -Float.MAX_VALUE) {
          return Arrays.copyOf(found, i);
        }
      }
    }
    return found;
  }
}
