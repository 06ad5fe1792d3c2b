package org.peftjava.transformers.model.phi3;

import java.util.Map;
import java.util.OptionalLong;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Phi-3 that turns part of each head. */
class Phi3Test extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return Phi3Config.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .initializerRange(0.3)
        .padTokenId(OptionalLong.of(1))
        .ropeParameters(Map.of("rope_type", "default", "partial_rotary_factor", 0.5))
        .tieWordEmbeddings(tied)
        .build();
  }
}
