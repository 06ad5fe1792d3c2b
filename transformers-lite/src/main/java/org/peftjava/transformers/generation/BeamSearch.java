package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * Pursues the {@code k} best continuations of each prompt at once, and keeps the {@code k} best
 * that have ended.
 *
 * <p>Reference: transformers' {@code GenerationMixin._beam_search}, whose float32 arithmetic it
 * repeats, so that the same beams win. The vocabulary stays on the device: of each step, a few
 * candidates per beam are read. Letters: {@code p} prompts, {@code k} beams, {@code v} vocabulary,
 * {@code c} candidates of a prompt.
 */
final class BeamSearch {
  /** Stands for "out of the question" in transformers. */
  private static final float NEVER = -1e9f;

  private final TokenSearch search;
  private final GenerationConfig config;
  private final OutputRecorder recorder;
  private final int beams;
  private final int prompts;
  private final BeamRows running;
  private final float[] runningScores;
  private final EndedBeams ended;

  BeamSearch(TokenSearch search, GenerationConfig config) {
    this.search = search;
    this.config = config;
    recorder = new OutputRecorder(config);
    beams = config.numBeams();
    prompts = search.prompts().length;
    running = new BeamRows(search.rows(beams));
    ended = new EndedBeams(search, config, new BeamRows(search.rows(beams)));
    runningScores = new float[prompts * beams];
    // the beams of a prompt begin equal: only the first counts, or all would stay equal
    Arrays.fill(runningScores, NEVER);
    IntStream.range(0, prompts).forEach(prompt -> runningScores[prompt * beams] = 0);
  }

  /**
   * What fills the rows of beams that end early. Transformers takes the end token where the padding
   * token is 0, and -1 where there is no end token; here -1 is the padding token, or 0.
   */
  private long filler() {
    long padding = config.padTokenId().orElse(0);
    return padding == 0 && !config.eosTokenIds().isEmpty() ? config.eosTokenIds().get(0) : padding;
  }

  GenerateOutput run() {
    int at = search.width();
    boolean goOn = true;
    while (goOn) {
      Candidates candidates = candidates(at);
      boolean allDone = candidates.markDone(search, at);
      ended.update(candidates, at);
      goOn(candidates);
      at++;
      goOn = ended.canImprove(runningScores, at) && !allDone;
      if (goOn) {
        search.steps().reorder(running.newestOrigins(), search.width());
      }
    }
    return output();
  }

  private Candidates candidates(int at) {
    try (TensorScope scope = TensorScope.open("beam step")) {
      Tensor logits = search.logits(running.ids(), at);
      recorder.logits(logits);
      Tensor logProbs =
          search
              .processors()
              .apply(search.seen(running.ids(), at), Ops.logSoftmax(logits, -1, DType.FLOAT32));
      recorder.scores(logProbs);
      long vocabSize = logProbs.size(1);
      Tensor before = Creation.ofFloats(runningScores, runningScores.length, 1).to(search.device());
      Tensor total = logProbs.add(before).reshape(prompts, beams * vocabSize);
      long count =
          Math.min(Math.max(2, 1 + config.eosTokenIds().size()) * (long) beams, beams * vocabSize);
      Tensor index;
      Tensor scores;
      if (config.doSample()) {
        index = search.draw().drawTensor(Ops.softmax(total, -1), count);
        scores = total.gather(1, index);
      } else {
        Ops.Ranked best = Ops.topK(total, count);
        index = best.indices();
        scores = best.values();
      }
      return new Candidates(running, index.toLongs(), scores.toFloats(), vocabSize, prompts, beams);
    }
  }

  /** The best candidates that have not ended become the running beams. */
  private void goOn(Candidates candidates) {
    int count = candidates.perPrompt();
    float[] scores = candidates.scores().clone();
    for (int i = 0; i < scores.length; i++) {
      scores[i] += (candidates.done()[i] ? 1f : 0f) * NEVER;
    }
    long[] best = Rankings.topK(scores, prompts, beams);
    for (int row = 0; row < best.length; row++) {
      int from = row / beams * count + (int) best[row];
      running.set(row, candidates.rows(), from);
      runningScores[row] = scores[from];
    }
  }

  private GenerateOutput output() {
    int wanted = config.numReturnSequences();
    int[] rows =
        IntStream.range(0, prompts * wanted).map(i -> i / wanted * beams + i % wanted).toArray();
    int longest = Arrays.stream(rows).map(ended.best()::generated).max().orElse(0);
    long[][] ids = new long[rows.length][];
    int[][] origins = new int[rows.length][];
    float[] scores = new float[rows.length];
    for (int i = 0; i < rows.length; i++) {
      ids[i] = ended.best().paddedIds(rows[i], search.width() + longest, filler());
      origins[i] = ended.best().paddedOrigins(rows[i], longest);
      scores[i] = ended.scores()[rows[i]];
    }
    return new GenerateOutput(
        new TokenIds(ids),
        config.outputScores() ? Optional.of(scores) : Optional.empty(),
        recorder.scores(),
        recorder.logits(),
        Optional.of(origins));
  }
}
