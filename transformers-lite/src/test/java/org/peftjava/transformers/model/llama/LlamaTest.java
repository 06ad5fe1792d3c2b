package org.peftjava.transformers.model.llama;

import java.util.Map;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Llama with biases, stretched. */
class LlamaTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return LlamaConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .initializerRange(0.3)
        .attentionBias(true)
        .mlpBias(true)
        .ropeParameters(Map.of("rope_type", "linear", "factor", 2.0))
        .tieWordEmbeddings(tied)
        .build();
  }
}
