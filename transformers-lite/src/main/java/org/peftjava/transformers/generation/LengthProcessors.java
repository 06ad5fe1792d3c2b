package org.peftjava.transformers.generation;

import java.util.List;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/** Processors that depend on how long the sequence is; lengths include the prompt. */
final class LengthProcessors {
  private LengthProcessors() {}

  /** Rules the end tokens out while the sequence has fewer tokens than {@code length}. */
  static LogitsProcessor minLength(int length, List<Long> eosTokenIds) {
    return (inputIds, logits) ->
        inputIds.length() < length ? Masks.without(logits, eosTokenIds) : logits;
  }

  /** Leaves one token where the sequence has just its start token. */
  static LogitsProcessor forcedBos(long id) {
    return (inputIds, logits) -> inputIds.length() == 1 ? Masks.only(logits, List.of(id)) : logits;
  }

  /** Leaves the given tokens where the last token of the longest sequence is chosen. */
  static LogitsProcessor forcedEos(List<Long> ids, int maxLength) {
    return (inputIds, logits) ->
        inputIds.length() == maxLength - 1 ? Masks.only(logits, ids) : logits;
  }

  /**
   * Adds {@code |x| (factor^k - 1)} to the logit x of each end token, k tokens after the prompt of
   * {@code promptLength} and the start.
   */
  static LogitsProcessor exponentialDecay(
      ExponentialDecay decay, List<Long> eosTokenIds, int promptLength) {
    int start = decay.start() + promptLength;
    return (inputIds, logits) -> {
      int k = inputIds.length() - start;
      if (k <= 0) {
        return logits;
      }
      Tensor index =
          Masks.index(eosTokenIds, logits).unsqueeze(0).expand(logits.size(0), eosTokenIds.size());
      Tensor ends = logits.gather(1, index);
      Tensor raised = ends.add(ends.abs().mul(Math.pow(decay.factor(), k) - 1));
      return Ops.scatter(logits, 1, index, raised);
    };
  }
}
