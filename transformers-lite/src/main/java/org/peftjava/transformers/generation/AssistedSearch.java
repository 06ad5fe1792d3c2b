package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * Greedy search or sampling of one row where the next tokens are guessed, so that one pass of the
 * model checks several: as long as it would have chosen the same, they hold. The text is the one
 * without guesses; when sampling, it has the same distribution, since the model's own draw decides.
 *
 * <p>Reference: {@code GenerationMixin._assisted_decoding}, and arXiv:2211.17192; where both models
 * sample, that compares their probabilities, which keeps more guesses.
 */
final class AssistedSearch {
  private final TokenSearch search;
  private final GenerationConfig config;
  private final TokenListener listener;
  private final CandidateGenerator guesses;
  private final OutputRecorder recorder;
  private final RowEnds ends;
  private final long[][] ids;
  private int at;

  AssistedSearch(
      TokenSearch search,
      GenerationConfig config,
      TokenListener listener,
      CandidateGenerator guesses) {
    this.search = search;
    this.config = config;
    this.listener = listener;
    this.guesses = guesses;
    recorder = new OutputRecorder(config);
    ids = search.rows(1);
    ends = new RowEnds(search, config, 1);
    at = search.width();
  }

  GenerateOutput run() {
    boolean goOn = true;
    while (goOn && at < search.length()) {
      // the model itself adds one token, and computes all it is given in one way
      int room = (int) Math.min(search.length() - 1L, search.steps().alikeUntil(at)) - at;
      long[] guessed = room < 1 ? new long[0] : guesses.candidates(ids, at, room);
      goOn = check(guessed);
      search.steps().crop(at - 1);
    }
    return new GenerateOutput(
        new TokenIds(new long[][] {Arrays.copyOf(ids[0], at)}),
        Optional.empty(),
        recorder.scores(),
        recorder.logits(),
        Optional.empty());
  }

  /** Appends the guesses that the model shares, and its next token; returns whether to go on. */
  private boolean check(long[] guessed) {
    try (TensorScope scope = TensorScope.open("assisted step")) {
      long[][] row = {Arrays.copyOf(ids[0], at + guessed.length)};
      System.arraycopy(guessed, 0, row[0], at, guessed.length);
      Tensor logits = search.steps().logits(row, at + guessed.length, guessed.length + 1);
      boolean plain = search.processors().isEmpty() && !config.doSample();
      long[] likeliest = plain ? logits.argmax(-1).toLongs() : null;
      boolean goOn = true;
      boolean right = true;
      int count = 0;
      for (; goOn && right && count <= guessed.length; count++) {
        long token = choose(logits.select(1, count), likeliest, count);
        long[] next = {token};
        goOn = ends.append(ids, at, next);
        goOn &= listener.onTokens(next);
        at++;
        right = count < guessed.length && token == guessed[count];
      }
      if (guessed.length > 0) {
        guesses.update(guessed.length, right ? count : count - 1);
      }
      return goOn;
    }
  }

  private long choose(Tensor logits, long @Nullable [] likeliest, int index) {
    recorder.logits(logits);
    if (likeliest != null) {
      recorder.scores(logits);
      return likeliest[index];
    }
    Tensor scores = search.processors().apply(search.seen(ids, at), logits);
    recorder.scores(scores);
    Tensor token =
        config.doSample()
            ? search.draw().drawTensor(Ops.softmax(scores, -1), 1)
            : scores.argmax(-1);
    return token.toLongs()[0];
  }
}
