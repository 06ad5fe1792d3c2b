package org.peftjava.it;

import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import org.peftjava.peft.Peft;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TokenClassification;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.bert.BertConfig;
import org.peftjava.transformers.model.gpt2.Gpt2Config;
import org.peftjava.transformers.model.llama.LlamaConfig;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.model.t5.T5Config;

/**
 * Prints what layers of each kind of model keep for the backward pass: bytes a token and layer, the
 * difference between models of 4 layers and of 1 in malloc's count.
 */
public final class ActivationsChild {
  private static final int TOKENS = 256;
  private static final int FEW = 1;
  private static final int MANY = 4;
  private static final int H = 256;
  private static final int F = 704;
  private static final int HEADS = 8;

  /** A kind of model, and what its layers keep. */
  enum Kind {
    LLAMA(layers -> llama(layers, HEADS), 4 * H + 2 * H + 2 * F),
    LLAMA_WITH_SHARED_KEYS(layers -> llama(layers, 2), 4 * H + 2 * (H / 4) + 2 * F),
    OPT(ActivationsChild::opt, 6 * H + F),
    GPT2(ActivationsChild::gpt2, 6 * H + F),
    BERT(ActivationsChild::bert, 6 * H + F),
    /** A layer of the encoder and one of the decoder, which attends twice. */
    T5(layers -> t5(layers, "relu"), 6 * H + F + 11 * H + F),
    T5_WITH_GATE(layers -> t5(layers, "gated-gelu"), 6 * H + 2 * F + 11 * H + 2 * F);

    @SuppressWarnings("ImmutableEnumChecker") // functions without state
    private final IntFunction<PretrainedConfig> config;

    /** Numbers that a layer keeps a token. */
    final int numbers;

    Kind(IntFunction<PretrainedConfig> config, int numbers) {
      this.config = config;
      this.numbers = numbers;
    }

    /** Layers that are counted as one. */
    int layers() {
      return this == T5 || this == T5_WITH_GATE ? 2 : 1;
    }
  }

  private ActivationsChild() {}

  /** Prints a line for each kind and type. */
  public static void main(String[] arguments) {
    NativeRuntime.setThreads(1);
    for (DType type : List.of(DType.FLOAT32, DType.BFLOAT16)) {
      for (Kind kind : Kind.values()) {
        System.out.println(kind + " " + type + " " + measure(kind, type));
      }
    }
  }

  private static double measure(Kind kind, DType type) {
    saved(kind, MANY, type); // fills what is kept for ever
    long[] differences = new long[3];
    for (int i = 0; i < differences.length; i++) {
      differences[i] = saved(kind, MANY, type) - saved(kind, FEW, type);
    }
    Arrays.sort(differences);
    return (double) differences[1] / TOKENS / (MANY - FEW);
  }

  private static long saved(Kind kind, int layers, DType type) {
    PretrainedConfig config = kind.config.apply(layers);
    LoraConfig lora =
        LoraConfig.builder()
            .r(1)
            .loraDropout(0.05)
            .targetModules(TargetModules.allLinear())
            .fanInFanOut(kind == Kind.GPT2)
            .build();
    if (config instanceof T5Config) {
      try (Seq2SeqLM base = AutoModelForSeq2SeqLM.fromConfig(config, type);
          PretrainedModel model = Peft.getPeftModel(base, lora)) {
        return saved(model);
      }
    }
    if (config instanceof BertConfig) {
      try (TokenClassification base = AutoModelForTokenClassification.fromConfig(config, type);
          PretrainedModel model = Peft.getPeftModel(base, lora)) {
        return saved(model);
      }
    }
    try (CausalLM base = AutoModelForCausalLM.fromConfig(config, type);
        PretrainedModel model = Peft.getPeftModel(base, lora)) {
      return saved(model);
    }
  }

  private static long saved(PretrainedModel model) {
    model.module().train(true);
    try (TensorScope scope = TensorScope.openGraph("step")) {
      long[] ids = new long[TOKENS];
      Arrays.setAll(ids, i -> i % 2);
      Tensor tokens = Creation.ofLongs(new long[][] {ids});
      long before = NativeHeap.bytesInUse();
      Tensor loss =
          model
              .forward(ModelInput.builder().inputIds(tokens).labels(tokens).build())
              .loss()
              .orElseThrow();
      long after = NativeHeap.bytesInUse();
      loss.backward(); // frees the graph now; without it that would be left to the collector
      return after - before;
    }
  }

  private static PretrainedConfig llama(int layers, int keyValueHeads) {
    return LlamaConfig.builder()
        .hiddenSize(H)
        .intermediateSize(F)
        .numHiddenLayers(layers)
        .numAttentionHeads(HEADS)
        .numKeyValueHeads(keyValueHeads)
        .vocabSize(H)
        .build();
  }

  private static PretrainedConfig opt(int layers) {
    return OptConfig.builder()
        .hiddenSize(H)
        .wordEmbedProjDim(H)
        .ffnDim(F)
        .numHiddenLayers(layers)
        .numAttentionHeads(HEADS)
        .maxPositionEmbeddings(TOKENS)
        .vocabSize(H)
        .dropout(0)
        .build();
  }

  private static PretrainedConfig gpt2(int layers) {
    return Gpt2Config.builder()
        .nEmbd(H)
        .nInner(F)
        .nLayer(layers)
        .nHead(HEADS)
        .vocabSize(H)
        .residPdrop(0)
        .attnPdrop(0)
        .embdPdrop(0)
        .build();
  }

  private static PretrainedConfig bert(int layers) {
    return BertConfig.builder()
        .hiddenSize(H)
        .intermediateSize(F)
        .numHiddenLayers(layers)
        .numAttentionHeads(HEADS)
        .maxPositionEmbeddings(TOKENS)
        .vocabSize(H)
        .hiddenDropoutProb(0)
        .attentionProbsDropoutProb(0)
        .build();
  }

  private static PretrainedConfig t5(int layers, String feedForward) {
    return T5Config.builder()
        .dModel(H)
        .dKv(H / HEADS)
        .dFf(F)
        .numLayers(layers)
        .numDecoderLayers(layers)
        .numHeads(HEADS)
        .vocabSize(H)
        .dropoutRate(0)
        .decoderStartTokenId(0)
        .feedForwardProj(feedForward)
        .build();
  }
}
