package org.peftjava.transformers.model.qwen3;

import java.util.List;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Qwen3 whose first layer sees a window. */
class Qwen3Test extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return Qwen3Config.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .initializerRange(0.3)
        .headDim(6)
        .useSlidingWindow(true)
        .slidingWindow(5)
        .layerTypes(List.of("sliding_attention", "full_attention"))
        .tieWordEmbeddings(tied)
        .build();
  }
}
