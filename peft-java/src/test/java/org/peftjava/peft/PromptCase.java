package org.peftjava.peft;

import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfigBuilder;
import org.peftjava.peft.tuner.ptuning.PromptEncoderConfig;
import org.peftjava.peft.tuner.ptuning.PromptEncoderReparameterizationType;
import org.peftjava.torch.Creation;
import org.peftjava.transformers.ModelInput;

/** The methods that learn virtual tokens, three each, and a batch for them. */
enum PromptCase {
  PROMPT(3),
  PREFIX(0),
  PROJECTED(0),
  MLP(3),
  LSTM(3);

  /** Logits in front of those of the text. */
  final int logits;

  PromptCase(int logits) {
    this.logits = logits;
  }

  PromptLearningConfig config() {
    return switch (this) {
      case PROMPT -> prompt().build();
      case PREFIX -> PrefixTuningConfig.builder().numVirtualTokens(3).build();
      case PROJECTED ->
          PrefixTuningConfig.builder().numVirtualTokens(3).prefixProjection(true).build();
      case MLP -> PromptEncoderConfig.builder().numVirtualTokens(3).build();
      case LSTM ->
          PromptEncoderConfig.builder()
              .numVirtualTokens(3)
              .encoderReparameterizationType(PromptEncoderReparameterizationType.LSTM)
              .encoderDropout(0.1)
              .build();
    };
  }

  static PromptTuningConfigBuilder prompt() {
    return PromptTuningConfig.builder().numVirtualTokens(3).taskType(TaskType.CAUSAL_LM);
  }

  /** Two rows, the second padded on the right. */
  static ModelInput.Builder batch() {
    return ModelInput.builder()
        .inputIds(Creation.ofLongs(new long[][] {{2, 5, 6, 17, 8}, {2, 9, 33, 1, 1}}))
        .attentionMask(Creation.ofLongs(new long[][] {{1, 1, 1, 1, 1}, {1, 1, 1, 0, 0}}));
  }

  static float[] logits(PeftModelForCausalLM model) {
    return model.forward(batch().build()).logits().orElseThrow().toFloats();
  }
}
