package org.peftjava.transformers.model.gptneox;

import java.util.Map;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** GPT-NeoX that turns half of each head. */
class GptNeoXTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return GptNeoXConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .maxPositionEmbeddings(32)
        .ropeParameters(Map.of("rope_type", "default", "partial_rotary_factor", 0.5))
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }
}
