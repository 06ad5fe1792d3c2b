package org.peftjava.transformers.training;

import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLanguageModel;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** How examples of a kind of model become batches if nobody says. */
final class DefaultCollator {
  private DefaultCollator() {}

  static DataCollator of(PretrainedModel model, @Nullable Tokenizer tokenizer) {
    if (model instanceof Seq2SeqLanguageModel) {
      return tokenizer == null
          ? new DataCollatorForSeq2Seq(padding(model), 1, Side.RIGHT)
          : DataCollatorForSeq2Seq.of(tokenizer);
    }
    if (!model.shiftsLabels()) {
      return tokenizer == null
          ? new DataCollatorWithPadding(padding(model), 1, Side.RIGHT)
          : DataCollatorWithPadding.of(tokenizer);
    }
    return tokenizer == null
        ? new DataCollatorForLanguageModeling(padding(model), 1, Side.RIGHT)
        : DataCollatorForLanguageModeling.of(tokenizer);
  }

  private static long padding(PretrainedModel model) {
    return model.config().padTokenId().orElse(0);
  }
}
