package org.peftjava.it;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Two versions of an adapter, and of a model, that differ in weights and in config: weights of one
 * with the config of the other give the results of neither.
 */
final class SavedVersions {
  static final String ADAPTER = "adapter";
  static final String MODEL = "model";
  static final List<String> NAMES = List.of("first", "second");

  private static final String BASE = "base";
  private static final long[][] IDS = {{2, 5, 8, 11, 14}};

  private SavedVersions() {}

  /** Writes both versions of a kind into folders of their names, and the base of the adapters. */
  static void write(String kind, Path folder) {
    for (int i = 0; i < NAMES.size(); i++) {
      String activation = kind.equals(MODEL) && i == 1 ? "gelu" : "relu";
      try (CausalLM model = TinyOpt.model(TinyOpt.config().activationFunction(activation))) {
        if (kind.equals(MODEL)) {
          try (TensorScope scope = TensorScope.open("second");
              GradMode off = GradMode.noGrad()) {
            model.backbone().inputEmbeddings().table().tensor().mulInPlace(1 + i);
          }
          model.savePretrained(folder.resolve(NAMES.get(i)));
        } else {
          model.savePretrained(folder.resolve(BASE));
          LoraConfig config =
              LoraConfig.builder()
                  .r(4)
                  .loraAlpha(i == 0 ? 10 : 70)
                  .targetModules("q_proj", "v_proj")
                  .initLoraWeights(false)
                  .build();
          try (PeftModelForCausalLM adapted = Peft.getPeftModel(model, config)) {
            adapted.savePretrained(folder.resolve(NAMES.get(i)));
          }
        }
      }
    }
  }

  /** Loads what is saved in {@code saved}. */
  static CausalLanguageModel load(String kind, Path versions, Path saved) {
    if (kind.equals(MODEL)) {
      return AutoModelForCausalLM.fromPretrained(saved);
    }
    return PeftModel.fromPretrained(
        AutoModelForCausalLM.fromPretrained(versions.resolve(BASE)), saved.toString());
  }

  /** What the saved model computes. */
  static List<Float> result(String kind, Path versions, Path saved) {
    try (TensorScope scope = TensorScope.open("result");
        GradMode off = GradMode.noGrad()) {
      CausalLanguageModel model = load(kind, versions, saved);
      float[] logits = model.forward(TokenBatch.of(IDS)).logits().orElseThrow().toFloats();
      model.close();
      if (model instanceof PeftModelForCausalLM adapted) {
        adapted.getBaseModel().close();
      }
      List<Float> result = new ArrayList<>();
      for (float value : logits) {
        result.add(value);
      }
      return result;
    }
  }
}
