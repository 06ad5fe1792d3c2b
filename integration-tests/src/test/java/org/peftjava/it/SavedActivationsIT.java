package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.gpt2.Gpt2Config;
import org.peftjava.transformers.model.llama.LlamaConfig;
import org.peftjava.transformers.model.opt.OptConfig;

class SavedActivationsIT {
  private static final int TOKENS = 512;

  @Test
  void print() {
    org.peftjava.torch.runtime.NativeRuntime.setThreads(1);
    for (DType type : new DType[] {DType.FLOAT32, DType.BFLOAT16}) {
      System.out.println(type + " llama " + perTokenAndLayer(n -> llama(n, 8), type) / 256 / type.byteSize());
      System.out.println(type + " llama gqa " + perTokenAndLayer(n -> llama(n, 2), type) / 256 / type.byteSize());
      System.out.println(type + " opt " + perTokenAndLayer(n -> opt(n), type) / 256 / type.byteSize());
      System.out.println(type + " gpt2 " + perTokenAndLayer(n -> gpt2(n), type) / 256 / type.byteSize());
    }
  }

  static PretrainedConfig llama(int layers, int kv) {
    return LlamaConfig.builder().hiddenSize(256).intermediateSize(688).numHiddenLayers(layers)
        .numAttentionHeads(8).numKeyValueHeads(kv).vocabSize(256).build();
  }

  static PretrainedConfig opt(int layers) {
    return OptConfig.builder().hiddenSize(256).wordEmbedProjDim(256).ffnDim(1024).numHiddenLayers(layers).maxPositionEmbeddings(1024)
        .numAttentionHeads(8).vocabSize(256).dropout(0).build();
  }

  static PretrainedConfig gpt2(int layers) {
    return Gpt2Config.builder().nEmbd(256).nLayer(layers)
        .nHead(8).vocabSize(256).residPdrop(0).attnPdrop(0).embdPdrop(0).build();
  }

  private static double perTokenAndLayer(IntFunction<PretrainedConfig> config, DType type) {
    saved(config.apply(2), type);
    return (saved(config.apply(6), type) - saved(config.apply(2), type)) / 4.0 / TOKENS;
  }

  private static long saved(PretrainedConfig config, DType type) {
    try (CausalLM base = AutoModelForCausalLM.fromConfig(config, type);
        PeftModelForCausalLM model = Peft.getPeftModel(base, LoraConfig.builder().r(1).loraDropout(0.05).targetModules(TargetModules.allLinear()).build());
        TensorScope scope = TensorScope.openGraph("step")) {
      model.module().train(true);
      long[] ids = new long[TOKENS];
      Arrays.setAll(ids, i -> i % 255);
      Tensor tokens = Creation.ofLongs(new long[][] {ids});
      long before = NativeHeap.bytesInUse();
      Tensor loss = model.forward(ModelInput.builder().inputIds(tokens).labels(tokens).build()).loss().orElseThrow();
      long after = NativeHeap.bytesInUse();
      loss.backward();
      return after - before;
    }
  }
}
