package org.peftjava.transformers.training;

import java.util.List;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Makes one batch of some examples: pads them to one length. Java arrays only. */
@FunctionalInterface
public interface DataCollator {
  /** A batch with labels, one row for each example, in their order. */
  TokenBatch collate(List<Example> examples);
}
