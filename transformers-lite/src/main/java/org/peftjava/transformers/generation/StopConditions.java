package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * What ends a row: end tokens, stop strings, time, and the user's criteria; transformers' {@code
 * _get_stopping_criteria}. The length is the loop's own business.
 */
final class StopConditions {
  private final Set<Long> eos;
  private final List<StoppingCriteria> criteria = new ArrayList<>();

  StopConditions(GenerationConfig config, GenerateOptions options) {
    eos = new HashSet<>(config.eosTokenIds());
    config.maxTime().ifPresent(seconds -> criteria.add(StoppingCriteria.maxTime(seconds)));
    if (!config.stopStrings().isEmpty()) {
      Tokenizer tokenizer = options.tokenizer();
      if (tokenizer == null) {
        throw new IllegalArgumentException(
            "stop_strings are "
                + config.stopStrings()
                + ", but there is no tokenizer to know the texts of tokens. Pass"
                + " GenerateOptions with the model's tokenizer.");
      }
      criteria.add(new StopStringCriteria(config.stopStrings(), new TokenText(tokenizer)));
    }
    criteria.addAll(options.stoppingCriteria());
  }

  /** Whether rows can end before the length is reached by an end token. */
  boolean hasEndTokens() {
    return !eos.isEmpty();
  }

  /** Whether a row has ended with its newest token. */
  boolean isDone(InputIds ids, int row) {
    boolean done = eos.contains(ids.token(row, ids.length() - 1));
    for (StoppingCriteria criterion : criteria) {
      done |= criterion.isDone(ids, row);
    }
    return done;
  }
}
