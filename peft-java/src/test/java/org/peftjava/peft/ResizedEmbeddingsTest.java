package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.WeightSource;

/** Adapters of models that were given another number of tokens: their files hold the embeddings. */
@ExtendWith(LedgerCheck.class)
class ResizedEmbeddingsTest {
  private static final String CASE = "resized_adapter";
  private static final String BASE = Goldens.path(CASE).resolve("base").toString();
  private static final Path ADAPTER = Goldens.path(CASE).resolve("adapter");

  @TempDir private Path saved;

  private static PeftModelForCausalLM auto(Path folder) {
    return AutoPeftModelForCausalLM.fromPretrained(folder, o -> o.baseModelNameOrPath(BASE));
  }

  private static CausalLM base() {
    return AutoModelForCausalLM.fromPretrained(BASE);
  }

  private static PeftModelForCausalLM lora(CausalLM base, String... targets) {
    return Peft.getPeftModel(
        base,
        LoraConfig.builder()
            .r(2)
            .loraAlpha(6)
            .targetModules(targets)
            .taskType(TaskType.CAUSAL_LM)
            .build());
  }

  private static Tensor logits(PeftModelForCausalLM model, Tensor ids) {
    return model.forward(ModelInput.builder().inputIds(ids).build()).logits().orElseThrow();
  }

  private static Set<String> names(Path folder) {
    try (WeightSource source = AdapterCheckpoint.open(folder)) {
      return new TreeSet<>(source.names());
    }
  }

  @Test
  void pythonsAdapterBringsItsTokens() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        PeftModelForCausalLM model = auto(ADAPTER)) {
      Map<String, Tensor> golden = Goldens.tensors(CASE + "/io.safetensors");
      Tensor ids = golden.get("input_ids");
      assertEquals(45, model.config().vocabSize());
      Goldens.assertClose(golden.get("logits"), logits(model, ids), 1e-5, "logits");
      model.savePretrained(saved);
      assertEquals(names(ADAPTER), names(saved));
      try (CausalLM base = base()) {
        base.resizeTokenEmbeddings(45);
        try (PeftModelForCausalLM again = PeftModel.fromPretrained(base, saved, o -> {})) {
          Goldens.assertClose(golden.get("logits"), logits(again, ids), 1e-5, "again");
        }
      }
    }
  }

  @Test
  void onlyAResizedModelsAdapterHoldsEmbeddings() {
    try (CausalLM base = base();
        PeftModelForCausalLM model = lora(base, "q_proj")) {
      model.savePretrained(saved.resolve("same"));
      assertFalse(names(saved.resolve("same")).toString().contains("embed_tokens"));
      model.resizeTokenEmbeddings(48);
      assertTrue(model.hasResizedEmbeddings());
      assertEquals(48, base.config().vocabSize());
      model.savePretrained(saved.resolve("longer"));
      assertEquals(names(ADAPTER), names(saved.resolve("longer")));
      model.savePretrained(saved.resolve("without"), o -> o.saveEmbeddingLayers(false));
      assertEquals(names(saved.resolve("same")), names(saved.resolve("without")));
    }
  }

  @Test
  void withoutItsTokenizerTheAdapterDoesNotFit() {
    try (CausalLM base = base()) {
      String message =
          assertThrows(
                  RuntimeException.class, () -> PeftModel.fromPretrained(base, ADAPTER, o -> {}))
              .getMessage();
      assertTrue(message.contains("is [45, 16] in the file, [40, 16] here"), message);
      assertTrue(message.contains("resizeTokenEmbeddings(45)"), message);
      assertEquals(40, base.config().vocabSize());
    }
  }

  @Test
  void adaptedEmbeddingsAreNotResized() {
    try (CausalLM base = base();
        PeftModelForCausalLM model = lora(base, "embed_tokens")) {
      String message =
          assertThrows(IllegalStateException.class, () -> model.resizeTokenEmbeddings(45))
              .getMessage();
      assertTrue(message.contains("before an adapter is added"), message);
      assertEquals(40, base.config().vocabSize());
    }
  }
}
