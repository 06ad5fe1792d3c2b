package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;

/** Processors for single tokens and runs of tokens that are named in the settings. */
final class BiasProcessors {
  private BiasProcessors() {}

  /**
   * Adds a number to the logit of each token that would complete a run. Runs that are named twice
   * count with their last number, as the keys of a Python dictionary.
   */
  static LogitsProcessor sequenceBias(List<SequenceBias> biases) {
    Map<List<Long>, Double> byRun =
        biases.stream()
            .collect(
                Collectors.toMap(
                    SequenceBias::ids, SequenceBias::bias, (a, b) -> b, LinkedHashMap::new));
    List<long[]> runs = new ArrayList<>();
    List<Double> numbers = new ArrayList<>();
    byRun.forEach(
        (ids, bias) -> {
          runs.add(ids.stream().mapToLong(Long::longValue).toArray());
          numbers.add(bias);
        });
    return (inputIds, logits) -> {
      long vocabSize = logits.size(1);
      Map<Long, Float> places = new LinkedHashMap<>();
      for (int i = 0; i < runs.size(); i++) {
        long[] run = runs.get(i);
        float bias = numbers.get(i).floatValue();
        Masks.checkInVocabulary(run, vocabSize);
        for (int row = 0; row < inputIds.rows(); row++) {
          if (run.length <= inputIds.length() && inputIds.endsWith(row, run, run.length - 1)) {
            places.merge(row * vocabSize + run[run.length - 1], bias, Float::sum);
          }
        }
      }
      return Masks.added(logits, places);
    };
  }

  /** Rules out tokens that would complete a run; a run that is just an end token is allowed. */
  static LogitsProcessor badWords(List<List<Long>> runs, List<Long> eosTokenIds) {
    return sequenceBias(
        runs.stream()
            .filter(run -> run.size() > 1 || !eosTokenIds.contains(run.get(0)))
            .map(run -> new SequenceBias(run, Double.NEGATIVE_INFINITY))
            .toList());
  }

  /** Rules tokens out. */
  static LogitsProcessor suppress(List<Long> ids) {
    return (inputIds, logits) -> Masks.without(logits, ids);
  }

  /** Rules tokens out while the sequence has exactly {@code length} tokens. */
  static LogitsProcessor suppressAt(List<Long> ids, int length) {
    return (inputIds, logits) -> inputIds.length() == length ? Masks.without(logits, ids) : logits;
  }

  /**
   * Leaves the tokens that a function names.
   *
   * @param prompts how many there are
   */
  static LogitsProcessor prefixAllowed(PrefixAllowedTokens function, int prompts) {
    return (inputIds, logits) -> {
      long vocabSize = logits.size(1);
      int copies = inputIds.rows() / prompts;
      List<Long> places = new ArrayList<>();
      for (int row = 0; row < inputIds.rows(); row++) {
        long[] allowed = function.allowed(row / copies, inputIds.row(row));
        if (allowed.length == 0) {
          throw new IllegalArgumentException(
              "prefix_allowed_tokens_fn allows no token after row "
                  + row / copies
                  + " of the batch. Expected at least one, such as the end token.");
        }
        Masks.checkInVocabulary(allowed, vocabSize);
        for (long token : allowed) {
          places.add(row * vocabSize + token);
        }
      }
      long[] index = places.stream().mapToLong(Long::longValue).toArray();
      Tensor mask = Masks.nothing(logits);
      mask.reshape(-1)
          .indexFillInPlace(0, Creation.ofLongs(index, index.length).to(logits.device()), 0);
      return logits.add(mask);
    };
  }
}
