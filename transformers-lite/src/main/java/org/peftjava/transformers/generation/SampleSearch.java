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
    long[][] ids = search.rows(config.numReturnSequences());
    RowEnds ends = new RowEnds(search, config, ids.length);
    int at = search.width();
    boolean goOn = true;
    while (goOn && at < search.length()) {
      long[] next = choose(ids, at);
      goOn = ends.append(ids, at, next);
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
          config.doSample()
              ? search.draw().drawTensor(Ops.softmax(scores, -1), 1)
              : scores.argmax(-1);
      return tokens.toLongs();
    }
  }
}
