package org.peftjava.it;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.bert.BertConfig;
import org.peftjava.transformers.model.gpt2.Gpt2Config;
import org.peftjava.transformers.model.llama.LlamaConfig;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.model.t5.T5Config;

/** Small models of the families whose memory {@link PlanChild} measures. */
final class PlanModels {
  private static final int H = 512;
  private static final int F = 1408;
  private static final int VOCABULARY = 4000;
  private static final int LAYERS = 6;

  private PlanModels() {}

  static PretrainedConfig tiny() {
    return LlamaConfig.builder()
        .hiddenSize(64)
        .intermediateSize(128)
        .numHiddenLayers(1)
        .numAttentionHeads(2)
        .vocabSize(64)
        .build();
  }

  static PretrainedConfig llama(int keyValueHeads) {
    return LlamaConfig.builder()
        .hiddenSize(H)
        .intermediateSize(F)
        .numHiddenLayers(LAYERS)
        .numAttentionHeads(8)
        .numKeyValueHeads(keyValueHeads)
        .vocabSize(VOCABULARY)
        .build();
  }

  static PretrainedConfig opt() {
    return OptConfig.builder()
        .hiddenSize(H)
        .wordEmbedProjDim(H)
        .ffnDim(4 * H)
        .numHiddenLayers(LAYERS)
        .numAttentionHeads(8)
        .maxPositionEmbeddings(1024)
        .vocabSize(VOCABULARY)
        .dropout(0)
        .build();
  }

  static PretrainedConfig gpt2() {
    return Gpt2Config.builder()
        .nEmbd(H)
        .nLayer(LAYERS)
        .nHead(8)
        .vocabSize(VOCABULARY)
        .residPdrop(0)
        .attnPdrop(0)
        .embdPdrop(0)
        .build();
  }

  static PretrainedConfig t5() {
    return T5Config.builder()
        .dModel(H)
        .dKv(H / 8)
        .dFf(4 * H)
        .numLayers(LAYERS / 2)
        .numDecoderLayers(LAYERS / 2)
        .numHeads(8)
        .vocabSize(VOCABULARY)
        .dropoutRate(0)
        .decoderStartTokenId(0)
        .build();
  }

  /** With its usual dropout, for which attention keeps its scores. */
  static PretrainedConfig bert() {
    return BertConfig.builder()
        .hiddenSize(H)
        .intermediateSize(4 * H)
        .numHiddenLayers(LAYERS)
        .numAttentionHeads(8)
        .maxPositionEmbeddings(1024)
        .vocabSize(VOCABULARY)
        .build();
  }
}
