package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * One token after the other: of the k likeliest the one with the best {@code (1 - alpha) p - alpha
 * s}, where s is the largest cosine between its hidden state and those before (arXiv:2202.06417).
 *
 * <p>Reference: {@code _contrastive_search} of transformers 4; version 5 loads the same from the
 * hub. Letters: {@code p} prompts, {@code k} candidates, {@code n} tokens so far, {@code e} size of
 * a hidden state, {@code v} vocabulary.
 */
final class ContrastiveSearch {
  private final TokenSearch search;
  private final TokenListener listener;
  private final OutputRecorder recorder;
  private final RowEnds ends;
  private final double alpha;
  private final int prompts;
  private final int k;
  private final long[][] ids;

  ContrastiveSearch(TokenSearch search, GenerationConfig config, TokenListener listener, int k) {
    this.search = search;
    this.listener = listener;
    this.k = k;
    recorder = new OutputRecorder(config);
    alpha = config.penaltyAlpha();
    prompts = search.prompts().length;
    ids = search.rows(1);
    ends = new RowEnds(search, config, prompts);
  }

  GenerateOutput run() {
    int at = search.width();
    try (TensorScope scope = TensorScope.open("contrastive search")) {
      Memory memory = begin();
      boolean goOn = true;
      while (goOn && at < search.length()) {
        long[] next = choose(memory, at);
        goOn = ends.append(ids, at, next);
        goOn &= listener.onTokens(next);
        at++;
      }
      memory.logits.close();
    }
    int end = at;
    return new GenerateOutput(
        new TokenIds(Arrays.stream(ids).map(row -> Arrays.copyOf(row, end)).toArray(long[][]::new)),
        Optional.empty(),
        recorder.scores(),
        recorder.logits(),
        Optional.empty());
  }

  /** What one step leaves for the next. */
  private static final class Memory {
    /** (p, length, e), float32, of length 1 each; the first n count. */
    private final Tensor states;

    /** (p, n, 1), true at padding of the prompt, or null. */
    private final @Nullable Tensor padding;

    /** (p, v), of the next token. */
    private Tensor logits;

    Memory(Tensor states, @Nullable Tensor padding, Tensor logits) {
      this.states = states;
      this.padding = padding;
      this.logits = logits;
    }
  }

  private Memory begin() {
    int width = search.width();
    DecoderSession.Step prompt = search.steps().begin(ids, width);
    Tensor hidden = unit(prompt.hidden());
    Tensor states =
        Creation.empty(DType.FLOAT32, search.device(), prompts, search.length(), hidden.size(2));
    states.narrow(1, 0, width).copyInPlace(hidden);
    Tensor mask = search.steps().promptMask();
    Tensor padding = mask == null ? null : mask.narrow(1, 0, width).eq(0).unsqueeze(-1);
    return new Memory(states, padding, prompt.logits().copy().escape());
  }

  private long[] choose(Memory memory, int at) {
    try (TensorScope scope = TensorScope.open("contrastive step")) {
      recorder.logits(memory.logits);
      Tensor scores = search.processors().apply(search.seen(ids, at), memory.logits);
      recorder.scores(scores);
      Ops.Ranked top = Ops.topK(Ops.softmax(scores, -1), k);
      long[] candidates = top.indices().toLongs();
      DecoderSession.Step next = search.steps().step(ids, candidates, at);
      Tensor all = unit(next.hidden());
      Tensor hidden = all.narrow(1, all.size(1) - 1, 1).reshape(prompts, k, -1);
      Tensor value = top.values().mul(1 - alpha).sub(similarity(memory, hidden, at).mul(alpha));
      long[] best = value.argmax(-1).toLongs();
      if (all.size(1) > 1) { // the tokens before were computed anew, the same for all candidates
        Tensor anew = all.reshape(prompts, k, at + 1L, -1).select(1, 0).narrow(1, 0, at);
        memory.states.narrow(1, 0, at).copyInPlace(anew);
      }
      return select(memory, next, hidden, candidates, best, at);
    }
  }

  /** The largest cosine between each candidate and the tokens before: (p, k). */
  private Tensor similarity(Memory memory, Tensor hidden, int at) {
    Tensor cosines = memory.states.narrow(1, 0, at).matmul(hidden.transpose(1, 2));
    if (memory.padding != null) {
      Tensor prompt = cosines.narrow(1, 0, search.width());
      prompt.copyInPlace(prompt.maskedFill(memory.padding, Double.NEGATIVE_INFINITY));
    }
    return cosines.amax(1);
  }

  /** Lets every row go on from its prompt's best candidate. */
  private long[] select(
      Memory memory,
      DecoderSession.Step next,
      Tensor hidden,
      long[] candidates,
      long[] best,
      int at) {
    long[] rows = new long[candidates.length];
    Arrays.setAll(rows, row -> (long) (row / k) * k + best[row / k]);
    search.steps().reorder(rows, at);
    long[] chosen = new long[prompts];
    Arrays.setAll(chosen, prompt -> (long) prompt * k + best[prompt]);
    Tensor index = Creation.ofLongs(chosen, chosen.length).to(search.device());
    Tensor states = hidden.reshape((long) prompts * k, 1, -1).indexSelect(0, index);
    memory.states.narrow(1, at, 1).copyInPlace(states);
    memory.logits.close();
    memory.logits = next.logits().indexSelect(0, index).escape();
    return Arrays.stream(chosen).map(place -> candidates[(int) place]).toArray();
  }

  /** Hidden states (b, t, e) in float32, divided by their lengths. */
  private static Tensor unit(Tensor hidden) {
    Tensor wide = hidden.to(DType.FLOAT32);
    return wide.div(wide.mul(wide).sum(2L).sqrt().unsqueeze(-1));
  }
}
