package org.peftjava.transformers.model.gpt2;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** GPT-2 without dropout. */
class Gpt2Test extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return Gpt2Config.builder()
        .vocabSize(30)
        .nEmbd(24)
        .nLayer(2)
        .nHead(6)
        .nPositions(32)
        .residPdrop(0)
        .embdPdrop(0)
        .attnPdrop(0)
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }

  /** What leads back into the residual stream is divided by the root of twice the layers. */
  @Override
  protected double freshStd(String name) {
    return name.endsWith("c_proj.weight") ? 0.15 : 0.3;
  }
}
