package org.peftjava.it;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.bert.BertConfig;
import org.peftjava.transformers.model.gemma.GemmaConfig;
import org.peftjava.transformers.model.gpt2.Gpt2Config;
import org.peftjava.transformers.model.llama.LlamaConfig;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.model.t5.T5Config;

/** Small models of the families whose memory {@link PlanChild} measures. */
final class PlanModels {
  private static final int HEADS = 8;

  private PlanModels() {}

  /**
   * How large a model is.
   *
   * @param feedForward what a gated block is wide; others are four times the hidden size
   */
  private record Size(int hidden, int feedForward, int layers, int vocabulary) {
    static final Size WHOLE = new Size(512, 1408, 6, 4000);
    static final Size TINY = new Size(64, 128, 2, 64);
  }

  /** A much smaller model of the family, whose step loads what the other one's needs. */
  static PretrainedConfig tiny(PretrainedConfig like) {
    return switch (like.modelType()) {
      case "opt" -> opt(Size.TINY);
      case "gpt2" -> gpt2(Size.TINY);
      case "t5" -> t5(Size.TINY);
      case "bert" -> bert(Size.TINY);
      case "gemma" -> gemma(Size.TINY);
      default -> llama(Size.TINY, 2);
    };
  }

  static PretrainedConfig llama(int keyValueHeads) {
    return llama(Size.WHOLE, keyValueHeads);
  }

  private static PretrainedConfig llama(Size size, int keyValueHeads) {
    return LlamaConfig.builder()
        .hiddenSize(size.hidden)
        .intermediateSize(size.feedForward)
        .numHiddenLayers(size.layers)
        .numAttentionHeads(HEADS)
        .numKeyValueHeads(keyValueHeads)
        .vocabSize(size.vocabulary)
        .build();
  }

  static PretrainedConfig opt() {
    return opt(Size.WHOLE);
  }

  private static PretrainedConfig opt(Size size) {
    return OptConfig.builder()
        .hiddenSize(size.hidden)
        .wordEmbedProjDim(size.hidden)
        .ffnDim(4 * size.hidden)
        .numHiddenLayers(size.layers)
        .numAttentionHeads(HEADS)
        .maxPositionEmbeddings(1024)
        .vocabSize(size.vocabulary)
        .dropout(0)
        .build();
  }

  static PretrainedConfig gpt2() {
    return gpt2(Size.WHOLE);
  }

  private static PretrainedConfig gpt2(Size size) {
    return Gpt2Config.builder()
        .nEmbd(size.hidden)
        .nLayer(size.layers)
        .nHead(HEADS)
        .vocabSize(size.vocabulary)
        .residPdrop(0)
        .attnPdrop(0)
        .embdPdrop(0)
        .build();
  }

  static PretrainedConfig t5() {
    return t5(Size.WHOLE);
  }

  private static PretrainedConfig t5(Size size) {
    return T5Config.builder()
        .dModel(size.hidden)
        .dKv(size.hidden / HEADS)
        .dFf(4 * size.hidden)
        .numLayers(size.layers / 2)
        .numDecoderLayers(size.layers / 2)
        .numHeads(HEADS)
        .vocabSize(size.vocabulary)
        .dropoutRate(0)
        .decoderStartTokenId(0)
        .build();
  }

  static PretrainedConfig bert() {
    return bert(Size.WHOLE);
  }

  /** With its usual dropout. */
  private static PretrainedConfig bert(Size size) {
    return BertConfig.builder()
        .hiddenSize(size.hidden)
        .intermediateSize(4 * size.hidden)
        .numHiddenLayers(size.layers)
        .numAttentionHeads(HEADS)
        .maxPositionEmbeddings(1024)
        .vocabSize(size.vocabulary)
        .build();
  }

  static PretrainedConfig gemma() {
    return gemma(Size.WHOLE);
  }

  /** With a gate of another activation than Llama's. */
  private static PretrainedConfig gemma(Size size) {
    return GemmaConfig.builder()
        .hiddenSize(size.hidden)
        .intermediateSize(size.feedForward)
        .numHiddenLayers(size.layers)
        .numAttentionHeads(HEADS)
        .numKeyValueHeads(2)
        .headDim(size.hidden / HEADS)
        .vocabSize(size.vocabulary)
        .build();
  }
}
