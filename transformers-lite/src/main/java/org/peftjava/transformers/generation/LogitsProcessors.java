package org.peftjava.transformers.generation;

import java.util.Arrays;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/**
 * What happens to the logits before a token is drawn, as transformers' {@code logits_process.py}
 * does it and in its order: repetition penalty, minimum length, temperature, top-k, top-p, min-p.
 *
 * <p>Letters: {@code b} rows, {@code v} vocabulary. A token that is ruled out has the score
 * negative infinity. All scores are float32.
 */
final class LogitsProcessors {
  private final GenerationConfig config;

  LogitsProcessors(GenerationConfig config) {
    this.config = config;
  }

  /**
   * Divides positive and multiplies negative scores of tokens that occurred (arXiv:1909.05858).
   *
   * @param scores (b, v)
   * @param ids (b, n), the tokens so far
   */
  Tensor penalizeRepetition(Tensor scores, Tensor ids) {
    Tensor score = scores.gather(1, ids);
    double penalty = config.repetitionPenalty();
    Tensor penalized = Ops.where(score.lt(zero(score)), score.mul(penalty), score.div(penalty));
    return Ops.scatter(scores, 1, ids, penalized);
  }

  /** Rules the end tokens out. */
  Tensor forbidEnd(Tensor scores) {
    long[] ids = config.eosTokenIds().stream().mapToLong(Long::longValue).toArray();
    Tensor index = Creation.ofLongs(ids, ids.length).to(scores.device());
    return scores.copy().indexFillInPlace(1, index, Double.NEGATIVE_INFINITY);
  }

  /** Temperature, top-k, top-p and min-p, each where it is on. */
  Tensor warp(Tensor scores) {
    Tensor result = scores;
    if (config.temperature() != 1) {
      result = result.div(config.temperature());
    }
    if (config.topK() > 0) {
      result = topK(result);
    }
    if (config.topP() < 1) {
      result = topP(result);
    }
    return config.minP() > 0 ? minP(result) : result;
  }

  /** Keeps the k largest scores, and those equal to the smallest of them. */
  private Tensor topK(Tensor scores) {
    long k = Math.min(config.topK(), scores.size(-1));
    Tensor smallestKept = Ops.topK(scores, k).values().narrow(-1, k - 1, 1);
    return scores.maskedFill(scores.lt(smallestKept), Double.NEGATIVE_INFINITY);
  }

  /** Removes the least likely tokens whose probabilities together stay within 1 - p. */
  private Tensor topP(Tensor scores) {
    Ops.Ranked ranked = ascending(scores);
    Tensor cumulative = Ops.softmax(ranked.values(), -1).cumsum(-1);
    Tensor removed = cumulative.gt(1 - config.topP()).not();
    removed.narrow(-1, removed.size(-1) - 1, 1).fillInPlace(0);
    Tensor kept = ranked.values().maskedFill(removed, Double.NEGATIVE_INFINITY);
    return Ops.scatter(
        Creation.full(scores.dtype(), Double.NEGATIVE_INFINITY, scores.shape().toArray())
            .to(scores.device()),
        1,
        ranked.indices(),
        kept);
  }

  /**
   * The scores that are not ruled out, smallest first. After top-k these are few, and sorting few
   * is much cheaper than sorting the vocabulary.
   */
  private static Ops.Ranked ascending(Tensor scores) {
    long possible =
        Arrays.stream(scores.gt(Double.NEGATIVE_INFINITY).sum(1L).toLongs()).max().orElse(0);
    if (possible * 4 > scores.size(-1)) {
      return Ops.sort(scores, false);
    }
    Ops.Ranked largest = Ops.topK(scores, Math.max(1, possible));
    Ops.Ranked order = Ops.sort(largest.values(), false);
    return new Ops.Ranked(order.values(), largest.indices().gather(1, order.indices()));
  }

  /** Removes tokens less likely than min-p times the likeliest. */
  private Tensor minP(Tensor scores) {
    Tensor probabilities = Ops.softmax(scores, -1);
    Tensor limit = Ops.topK(probabilities, 1).values().mul(config.minP());
    return scores.maskedFill(probabilities.lt(limit), Double.NEGATIVE_INFINITY);
  }

  private static Tensor zero(Tensor like) {
    return Creation.zeros(like.dtype(), like.device());
  }
}
