package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;

/** Embeddings beside an adapter, and those that its tokenizer needs: golden/resized_auto. */
@ExtendWith(LedgerCheck.class)
class SavedEmbeddingsTest {
  private static final Path CASE = Goldens.path("resized_auto");

  @TempDir private Path folder;

  /** Adapters that name the base where it is now. */
  @BeforeEach
  void copy() throws IOException {
    for (String name : List.of("same", "plain", "padded")) {
      try (Stream<Path> files = Files.list(CASE.resolve(name))) {
        Files.createDirectory(folder.resolve(name));
        files.forEach(file -> copy(file, folder.resolve(name).resolve(file.getFileName())));
      }
      Path file = folder.resolve(name).resolve("adapter_config.json");
      ObjectNode config = (ObjectNode) Goldens.json(file);
      config.put("base_model_name_or_path", CASE.resolve("base").toString());
      Files.writeString(file, config.toString());
    }
  }

  private static void copy(Path file, Path target) {
    try {
      Files.copy(file, target);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void assertLoaded(String name, String loader, CausalLanguageModel model) {
    int tokens = outcome(name, loader);
    assertEquals(tokens, model.config().vocabSize());
    Map<String, Tensor> golden = Goldens.tensors("resized_auto/io.safetensors");
    ModelInput input = ModelInput.builder().inputIds(golden.get("input_ids")).build();
    Tensor logits = model.forward(input).logits().orElseThrow();
    assertEquals(tokens, logits.size(-1));
    Goldens.assertClose(
        golden.get(name + ".logits").narrow(-1, 0, 40), logits.narrow(-1, 0, 40), 1e-5, name);
  }

  private static int outcome(String name, String loader) {
    return Goldens.json(CASE.resolve("case.json")).at("/outcomes/" + name + "/" + loader).asInt();
  }

  @ParameterizedTest
  @ValueSource(strings = {"same", "plain"})
  void eachClassDoesWithThemWhatPythonsDoes(String name) {
    try (TensorScope scope = TensorScope.open(name);
        GradMode off = GradMode.noGrad();
        PeftModelForCausalLM model =
            AutoPeftModelForCausalLM.fromPretrained(folder.resolve(name).toString());
        CausalLM plain = AutoModelForCausalLM.fromPretrained(folder.resolve(name))) {
      assertLoaded(name, "AutoPeftModelForCausalLM", model);
      assertLoaded(name, "AutoModelForCausalLM", plain);
    }
  }

  @Test
  void aPlainModelThatWasResizedTakesThem() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        CausalLM model = AutoModelForCausalLM.fromPretrained(CASE.resolve("base"))) {
      model.resizeTokenEmbeddings(48);
      model.loadAdapter(folder.resolve("padded").toString());
      Map<String, Tensor> golden = Goldens.tensors("resized_auto/io.safetensors");
      ModelInput input = ModelInput.builder().inputIds(golden.get("input_ids")).build();
      Goldens.assertClose(
          golden.get("padded.logits"), model.forward(input).logits().orElseThrow(), 1e-5, "padded");
      Path saved = folder.resolve("saved");
      model.savePretrained(saved);
      try (CausalLM again = AutoModelForCausalLM.fromPretrained(CASE.resolve("base"))) {
        again.resizeTokenEmbeddings(48);
        again.loadAdapter(saved.toString());
        Goldens.assertClose(
            golden.get("padded.logits"),
            again.forward(input).logits().orElseThrow(),
            1e-5,
            "again");
      }
    }
  }

  @Test
  void ofAnotherSizeTheyAreAnErrorAsInPython() {
    assertEquals(0, outcome("padded", "AutoPeftModelForCausalLM"));
    assertEquals(0, outcome("padded", "AutoModelForCausalLM"));
    String padded = folder.resolve("padded").toString();
    String message =
        assertThrows(RuntimeException.class, () -> AutoPeftModelForCausalLM.fromPretrained(padded))
            .getMessage();
    assertTrue(message.contains("is [48, 16] in the file, [45, 16] here"), message);
    assertTrue(message.contains("resizeTokenEmbeddings(48)"), message);
    message =
        assertThrows(RuntimeException.class, () -> AutoModelForCausalLM.fromPretrained(padded))
            .getMessage();
    assertTrue(message.contains("is [48, 16] in the file, [40, 16] here"), message);
  }

  /** A pattern is asked for its own adapter's layers, not for those that others adapt. */
  @Test
  void aHeadThatAnotherAdapterHasIsNotSaved() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                opt.base(), LoraConfig.builder().r(2).targetModules("lm_head").build())) {
      model.addAdapter(
          "pattern",
          LoraConfig.builder().r(2).targetModules(TargetModules.regex(".*q_proj")).build());
      assertTrue(
          Peft.getPeftModelStateDict(model, options -> options.adapterName("pattern"))
              .keySet()
              .stream()
              .noneMatch(key -> key.contains("lm_head")));
    }
  }
}
