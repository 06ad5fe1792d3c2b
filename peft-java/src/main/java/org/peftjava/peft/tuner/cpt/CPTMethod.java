package org.peftjava.peft.tuner.cpt;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningMethod;
import org.peftjava.peft.tuner.PromptSite;
import org.peftjava.peft.tuner.PromptStart;
import org.peftjava.peft.tuner.PromptTable;

/**
 * Context-aware prompt tuning, arXiv:2410.17222: worked examples in front of the text, whose tokens
 * may move a little.
 */
public final class CPTMethod extends PromptLearningMethod<CPTConfig> {
  /** The method. */
  public CPTMethod() {
    super(CPTConfig.PEFT_TYPE, "CPTEmbedding", CPTConfig.class, Place.EMBEDDINGS);
  }

  @Override
  public CPTConfig parse(Map<String, ? extends @Nullable Object> values) {
    return CPTConfig.of(values);
  }

  @Override
  public PromptEncoder newEncoder(CPTConfig config, PromptSite site) {
    int size = config.required(PromptFields.TOKEN_DIM);
    if (config.inferenceMode()) {
      return new PromptTable(config.cptTokenIds().size(), size);
    }
    long[] ids = config.cptTokenIds().stream().mapToLong(id -> id).toArray();
    return new ContextPrompt(config, size, PromptStart.of(site.words(), ids));
  }
}
