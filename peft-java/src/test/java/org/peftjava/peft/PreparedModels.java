package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.lora.CordaConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraInit;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;

/** Models and data of golden/corda and golden/loraga, and how layers are prepared. */
final class PreparedModels implements AutoCloseable {
  private final TensorScope scope = TensorScope.openGraph("test");
  private final List<Tensor> rows = new ArrayList<>();

  PreparedModels() {
    Map<String, Tensor> golden = Goldens.tensors("corda/io.safetensors");
    for (int i = 0; i < 5; i++) {
      rows.add(golden.get("in." + i + ".input_ids"));
    }
  }

  static JsonNode facts(String folder) {
    return Goldens.json(Goldens.path(folder + "/case.json")).get("cases");
  }

  static LoraConfig config(JsonNode facts) {
    return LoraConfig.of(Goldens.map(facts.get("config")));
  }

  static CausalLM base(JsonNode facts) {
    return AutoModelForCausalLM.fromPretrained(Goldens.path(facts.get("base").asText()));
  }

  void run(CausalLM model) {
    rows.forEach(row -> model.forward(ModelInput.builder().inputIds(row).build()));
  }

  void train(CausalLM model) {
    for (Tensor row : rows) {
      try (TensorScope step = TensorScope.openGraph("step")) {
        ModelInput input = ModelInput.builder().inputIds(row).labels(row).build();
        model.forward(input).loss().orElseThrow().backward();
      }
    }
  }

  void prepare(CausalLM model, LoraConfig config) {
    if (config.initLoraWeights() instanceof LoraInit.Corda) {
      Corda.preprocessCorda(model, config, () -> run(model));
    } else {
      Loraga.preprocessLoraga(model, config, () -> train(model));
    }
  }

  Tensor logits(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      return model
          .forward(ModelInput.builder().inputIds(rows.get(0)).build())
          .logits()
          .orElseThrow()
          .to(DType.FLOAT32);
    }
  }

  /** Prepares with a file; {@code runs} says whether the model may run. */
  void withFile(CausalLM base, LoraConfig config, Path file, boolean runs) {
    Runnable pass =
        () -> {
          assertTrue(runs, "the file is read instead");
          if (config.initLoraWeights() instanceof LoraInit.Corda) {
            run(base);
          } else {
            train(base);
          }
        };
    if (config.initLoraWeights() instanceof LoraInit.Corda) {
      CordaConfig.Builder options = CordaConfig.builder();
      boolean cache = file.getFileName().toString().equals("cache.pt");
      LoraConfig named =
          config.with(
              "corda_config",
              (cache ? options.cacheFile(file) : options.covarianceFile(file)).build().values());
      Corda.preprocessCorda(base, named, pass);
    } else {
      Loraga.preprocessLoraga(base, config, pass, file);
    }
    if (runs) {
      Corda.discard(base);
      Loraga.discard(base);
    }
  }

  @Override
  public void close() {
    scope.close();
  }
}
