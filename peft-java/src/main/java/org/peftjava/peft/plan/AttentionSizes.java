package org.peftjava.peft.plan;

import java.util.List;
import org.peftjava.peft.plan.StackSizes.AttentionKind;
import org.peftjava.transformers.config.PretrainedConfig;

/** The heads of a model's attention, by the names that configs have for them. */
record AttentionSizes(PretrainedConfig config, StepKernels kernels) {

  long heads() {
    for (String name :
        List.of(
            "num_attention_heads", "n_head", "num_heads", "n_heads", "encoder_attention_heads")) {
      if (config.json().has(name)) {
        return config.json().getInt(name);
      }
    }
    return 1;
  }

  /** Numbers of one head. */
  long headSize() {
    for (String name : List.of("head_dim", "d_kv")) {
      if (config.json().has(name)) {
        return config.json().getInt(name);
      }
    }
    return config.hiddenSize() / heads();
  }

  /** Numbers of a token that the norm of queries or of keys keeps. */
  long headNorm(String path) {
    long heads = path.endsWith(".q_norm") ? heads() : config.json().getInt("num_key_value_heads");
    return heads * headSize();
  }

  AttentionKind kind() {
    if (config.json().getBoolean("relative_attention", false)) {
      return AttentionKind.DROPPED; // DeBERTa: what is added to the scores has a gradient
    }
    if (kernels.onKernels) {
      return AttentionKind.FUSED; // bounds and dropout included
    }
    if (config.json().findDouble("attn_logit_softcapping").orElse(0) > 0) {
      return AttentionKind.BOUNDED;
    }
    return kernels.onCard || !drops() ? AttentionKind.FUSED : AttentionKind.DROPPED;
  }

  private boolean drops() {
    return List.of(
            "attention_dropout", "attn_pdrop", "attention_probs_dropout_prob", "dropout_rate")
        .stream()
        .anyMatch(name -> config.json().findDouble(name).orElse(0) > 0);
  }
}
