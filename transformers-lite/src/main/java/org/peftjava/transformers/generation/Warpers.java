package org.peftjava.transformers.generation;

import java.util.Arrays;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/**
 * Processors that shape the distribution before a token is drawn, as transformers' {@code
 * *LogitsWarper} classes.
 *
 * <p>Letters: {@code b} rows, {@code v} vocabulary. {@code keep} is the number of likeliest tokens
 * that are never ruled out.
 */
final class Warpers {
  private static final int TOP_H_TOKENS = 100;

  private Warpers() {}

  /** Divides the logits. */
  static LogitsProcessor temperature(double value) {
    return (inputIds, logits) -> logits.div(value);
  }

  /** Keeps the k largest logits, and those equal to the smallest of them. */
  static LogitsProcessor topK(int k, int keep) {
    return (inputIds, logits) -> ruledOut(logits, logits.lt(smallestOf(logits, Math.max(k, keep))));
  }

  /** Rules out the least likely tokens whose probabilities together stay within 1 - p. */
  static LogitsProcessor topP(double p, int keep) {
    return (inputIds, logits) -> {
      Ops.Ranked ranked = ascending(logits, keep);
      Tensor removed = Ops.softmax(ranked.values(), -1).cumsum(-1).gt(1 - p).not();
      long kept = Math.min(keep, removed.size(-1));
      removed.narrow(-1, removed.size(-1) - kept, kept).fillInPlace(0);
      return Ops.scatter(
          Masks.nothing(logits), 1, ranked.indices(), ruledOut(ranked.values(), removed));
    };
  }

  /**
   * The logits that are not ruled out, smallest first. After top-k these are few, and sorting few
   * is much cheaper than sorting the vocabulary.
   */
  private static Ops.Ranked ascending(Tensor logits, int keep) {
    long possible =
        Arrays.stream(logits.gt(Double.NEGATIVE_INFINITY).sum(1L).toLongs()).max().orElse(0);
    long some = Math.max(keep, possible);
    if (some * 4 > logits.size(-1)) {
      return Ops.sort(logits, false);
    }
    Ops.Ranked largest = Ops.topK(logits, some);
    Ops.Ranked order = Ops.sort(largest.values(), false);
    return new Ops.Ranked(order.values(), largest.indices().gather(1, order.indices()));
  }

  /** Rules out tokens less likely than p times the likeliest (arXiv:2407.01082). */
  static LogitsProcessor minP(double p, int keep) {
    return (inputIds, logits) -> {
      Tensor probabilities = Ops.softmax(logits, -1);
      Tensor limit = probabilities.amax(-1).unsqueeze(-1).mul(p);
      Tensor kept = Ops.topK(probabilities, Math.min(keep, logits.size(-1))).indices();
      Tensor removed = probabilities.lt(limit);
      Tensor none = Creation.zeros(DType.BOOL, logits.device(), kept.size(0), kept.size(1));
      return ruledOut(logits, Ops.scatter(removed, 1, kept, none));
    };
  }

  /** Keeps the likeliest tokens that hold a share of the entropy (arXiv:2509.02510). */
  static LogitsProcessor topH(double share) {
    return (inputIds, logits) -> {
      Ops.Ranked top = Ops.topK(logits, Math.min(TOP_H_TOKENS, logits.size(-1)));
      Tensor terms = entropyTerms(top.values());
      Tensor limit = terms.sum(1L).unsqueeze(-1).mul(share);
      Tensor removed = limit.lt(terms.cumsum(-1));
      removed.narrow(-1, 0, 1).fillInPlace(0);
      return Ops.scatter(Masks.nothing(logits), 1, top.indices(), ruledOut(top.values(), removed));
    };
  }

  /**
   * Keeps the tokens whose information is nearest to the entropy, until they together reach a
   * probability (arXiv:2202.00666).
   */
  static LogitsProcessor typicalP(double mass, int keep) {
    return (inputIds, logits) -> {
      long vocabSize = logits.size(-1);
      Tensor information = Ops.logSoftmax(logits, -1, DType.FLOAT32).neg();
      Tensor entropy = entropyTerms(logits).sum(1L).unsqueeze(-1);
      Ops.Ranked order = Ops.sort(information.sub(entropy).abs(), false);
      Tensor cumulative = Ops.softmax(logits.gather(-1, order.indices()), -1).cumsum(-1);
      Tensor last = cumulative.lt(mass).sum(1L);
      last = last.maskedFill(last.gt(vocabSize - 1), vocabSize - 1).unsqueeze(-1);
      Tensor removed = order.values().gather(1, last).lt(order.values());
      removed.narrow(-1, 0, Math.min(keep, vocabSize)).fillInPlace(0);
      return ruledOut(logits, Ops.scatter(removed, 1, order.indices(), removed));
    };
  }

  /** Rules out tokens below a probability (arXiv:2210.15191). */
  static LogitsProcessor epsilon(double limit, int keep) {
    return (inputIds, logits) -> unlikely(logits, Ops.softmax(logits, -1).lt(limit), keep);
  }

  /** Rules out tokens below {@code min(e, sqrt(e) exp(-entropy))} (arXiv:2210.15191). */
  static LogitsProcessor eta(double e, int keep) {
    return (inputIds, logits) -> {
      Tensor entropy = entropyTerms(logits).sum(1L).unsqueeze(-1);
      Tensor limit = entropy.neg().exp().mul(Math.sqrt(e));
      limit = limit.maskedFill(limit.gt(e), e);
      return unlikely(logits, Ops.softmax(logits, -1).lt(limit), keep);
    };
  }

  private static Tensor unlikely(Tensor logits, Tensor removed, int keep) {
    return ruledOut(logits, removed.and(logits.lt(smallestOf(logits, keep))));
  }

  /** Replaces NaN by 0 and infinite logits by the largest finite ones. */
  static LogitsProcessor removeInvalid() {
    return (inputIds, logits) -> Ops.nanToNum(logits);
  }

  /** Makes log-probabilities of the logits. */
  static LogitsProcessor renormalize() {
    return (inputIds, logits) -> Ops.logSoftmax(logits, -1, DType.FLOAT32);
  }

  /** {@code -p log p} of each token (b, v), 0 where p is 0. */
  private static Tensor entropyTerms(Tensor logits) {
    Tensor logs = Ops.logSoftmax(logits, -1, DType.FLOAT32);
    Tensor probabilities = logs.exp();
    return probabilities.mul(logs).neg().maskedFill(probabilities.eq(0), 0);
  }

  /** The k-th largest logit of each row (b, 1). */
  private static Tensor smallestOf(Tensor logits, long k) {
    long some = Math.min(k, logits.size(-1));
    return Ops.topK(logits, some).values().narrow(-1, some - 1, 1);
  }

  private static Tensor ruledOut(Tensor logits, Tensor mask) {
    return logits.maskedFill(mask, Double.NEGATIVE_INFINITY);
  }
}
