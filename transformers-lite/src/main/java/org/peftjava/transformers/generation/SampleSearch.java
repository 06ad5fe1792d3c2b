package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.Optional;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * One token after the other: the likeliest, or one drawn at random. A row that has ended gets the
 * filler.
 *
 * <p>Reference: transformers' {@code GenerationMixin._sample}. The only thing read from the device
 * is one token id per row and step.
 */
final class SampleSearch {
  private final TokenSearch search;
  private final GenerationConfig config;
  private final TokenListener listener;
  private final OutputRecorder recorder;

  SampleSearch(TokenSearch search, GenerationConfig config, TokenListener listener) {
    this.search = search;
    this.config = config;
    this.listener = listener;
    recorder = new OutputRecorder(config);
  }

  GenerateOutput run() {
    long[][] ids = search.rows(config.numReturnSequences(), 0);
    boolean[] ended = new boolean[ids.length];
    int at = search.width();
    boolean goOn = true;
    while (goOn && at < search.length()) {
      long[] next = choose(ids, at);
      goOn = append(ids, at, next, ended);
      goOn &= listener.onTokens(next);
      at++;
    }
    int end = at;
    long[][] sequences =
        Arrays.stream(ids).map(row -> Arrays.copyOf(row, end)).toArray(long[][]::new);
    return new GenerateOutput(
        new TokenIds(sequences),
        Optional.empty(),
        recorder.scores(),
        recorder.logits(),
        Optional.empty());
  }

  private long[] choose(long[][] ids, int at) {
    try (TensorScope scope = TensorScope.open("decode step")) {
      Tensor logits = search.logits(ids, at);
      recorder.logits(logits);
      LogitsProcessorList processors = search.processors();
      Tensor scores =
          processors.isEmpty() && !config.doSample()
              ? logits
              : processors.apply(search.seen(ids, at), logits);
      recorder.scores(scores);
      Tensor tokens =
          config.doSample() ? search.draw().draw(Ops.softmax(scores, -1), 1) : scores.argmax(-1);
      return tokens.toLongs();
    }
  }

  /**
   * Writes the tokens behind the rows; rows that have ended get the filler. Returns if any is open.
   */
  private boolean append(long[][] ids, int at, long[] next, boolean[] ended) {
    StopConditions stops = search.stops();
    boolean open = false;
    for (int row = 0; row < ids.length; row++) {
      if (ended[row] && stops.hasEndTokens()) {
        next[row] = filler();
      }
      ids[row][at] = next[row];
    }
    InputIds seen = search.seen(ids, at + 1);
    for (int row = 0; row < ids.length; row++) {
      ended[row] = ended[row] || stops.isDone(seen, row);
      open |= !ended[row];
    }
    return open;
  }

  private long filler() {
    return config.padTokenId().orElseGet(() -> config.eosTokenIds().get(0));
  }
}
