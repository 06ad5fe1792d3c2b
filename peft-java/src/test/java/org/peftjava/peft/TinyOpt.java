package org.peftjava.peft;

import java.nio.file.Path;
import java.util.Map;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;

/** The base model of golden/opt_lora with its batch, and a scope for what a test makes. */
final class TinyOpt implements AutoCloseable {
  static final Path FOLDER = Goldens.path("opt_lora/base");

  /** An adapter that changes the model from the start. */
  static final LoraConfig QV =
      LoraConfig.builder()
          .r(4)
          .loraAlpha(10)
          .targetModules("q_proj", "v_proj")
          .taskType(TaskType.CAUSAL_LM)
          .initLoraWeights(false)
          .build();

  private final TensorScope scope = TensorScope.openGraph("test");
  private final CausalLM base = AutoModelForCausalLM.fromPretrained(FOLDER);
  private final Map<String, Tensor> golden = Goldens.tensors("opt_lora/io.safetensors");

  CausalLM base() {
    return base;
  }

  /** Logits for the batch, 0 at padded positions. */
  Tensor logits(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .build();
      return masked(model.forward(input).logits().orElseThrow());
    }
  }

  /** The same from Python, without an adapter. */
  Tensor baseLogits() {
    return masked(golden.get("base.logits"));
  }

  private Tensor masked(Tensor logits) {
    return logits.maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  /** The largest difference. */
  static double gap(Tensor a, Tensor b) {
    return a.sub(b).abs().max().toDouble();
  }

  @Override
  public void close() {
    base.close();
    scope.close();
  }
}
