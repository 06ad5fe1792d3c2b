package org.peftjava.transformers.model.gptj;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** GPT-J that turns half of each head. */
class GptJTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return GptJConfig.builder()
        .vocabSize(30)
        .nEmbd(24)
        .nLayer(2)
        .nHead(6)
        .nPositions(32)
        .rotaryDim(2)
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }
}
