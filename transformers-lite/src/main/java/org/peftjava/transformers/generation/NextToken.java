package org.peftjava.transformers.generation;

import java.util.Arrays;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/** The choice of each row's next token from its logits: the likeliest, or one drawn at random. */
final class NextToken {
  private final GenerationConfig config;
  private final int promptLength;
  private final LogitsProcessors processors;

  NextToken(GenerationConfig config, int promptLength) {
    this.config = config;
    this.promptLength = promptLength;
    processors = new LogitsProcessors(config);
  }

  /**
   * Chooses one token per row.
   *
   * @param logits (b, v)
   * @param ids the tokens so far, of which the first {@code length} of each row count
   */
  long[] choose(Tensor logits, long[][] ids, int length) {
    Tensor scores = logits;
    if (config.repetitionPenalty() != 1) {
      scores = processors.penalizeRepetition(scores.to(DType.FLOAT32), soFar(ids, length, logits));
    }
    if (length - promptLength < config.minNewTokens() && !config.eosTokenIds().isEmpty()) {
      scores = processors.forbidEnd(scores.to(DType.FLOAT32));
    }
    if (!config.doSample()) {
      return scores.argmax(-1).toLongs();
    }
    Tensor probabilities = Ops.softmax(processors.warp(scores.to(DType.FLOAT32)), -1);
    return Ops.multinomial(probabilities).toLongs();
  }

  private static Tensor soFar(long[][] ids, int length, Tensor like) {
    long[][] rows = new long[ids.length][];
    for (int row = 0; row < rows.length; row++) {
      rows[row] = Arrays.copyOf(ids[row], length);
    }
    return Creation.ofLongs(rows).to(like.device());
  }
}
