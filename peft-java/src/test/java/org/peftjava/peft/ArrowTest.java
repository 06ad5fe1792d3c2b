package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.lora.ArrowConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Arrow against the real PEFT: golden/arrow. */
@ExtendWith(LedgerCheck.class)
class ArrowTest {
  private static final double FORWARD = 1e-5;
  private static final String ROUTER = "arrow_router";

  private final JsonNode facts = Goldens.json(Goldens.path("arrow/case.json"));

  private static String expert(String name) {
    return Goldens.path("arrow/experts/" + name).toString();
  }

  private static CausalLM base() {
    return AutoModelForCausalLM.fromPretrained(Goldens.path("opt_lora/base"));
  }

  private ArrowConfig config(String name) {
    return ArrowConfig.of(Goldens.map(facts.get("cases").get(name).get("config")));
  }

  private PeftModelForCausalLM model(CausalLM base, String name) {
    List<String> tasks = IntStream.range(0, 3).mapToObj(i -> expert("task_" + i)).toList();
    return Peft.createArrowModel(
        base, tasks, config(name), List.of(expert("gks_0"), expert("gks_1")), o -> {});
  }

  private static Tensor logits(Map<String, Tensor> golden, CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .build();
      return masked(golden, model.forward(input).logits().orElseThrow());
    }
  }

  private static Tensor masked(Map<String, Tensor> golden, Tensor logits) {
    return logits.maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"two", "all", "gks"})
  void routesEachToken(String name) {
    try (TensorScope scope = TensorScope.openGraph("arrow");
        CausalLM base = base();
        PeftModelForCausalLM model = model(base, name)) {
      Map<String, Tensor> golden = Goldens.tensors("arrow/io.safetensors");
      JsonNode counts = facts.get("cases").get(name);
      assertEquals(
          counts.get("trainableParameters").asLong(), model.trainableParameters().trainable());
      assertEquals(counts.get("allParameters").asLong(), model.trainableParameters().all());
      model.eval();
      Goldens.assertClose(
          masked(golden, golden.get(name + ".logits")), logits(golden, model), FORWARD, name);
      TokenBatch prompts =
          TokenBatch.of(
              TunerCase.rowsOf(golden.get("left.input_ids")),
              TunerCase.rowsOf(golden.get("left.attention_mask")));
      assertArrayEquals(
          TunerCase.rowsOf(golden.get(name + ".gen.ids")),
          model.generate(prompts, g -> g.maxNewTokens(6).eosTokenId()).ids());
      Tensor embedded = golden.get(name + ".embedded").copy().requiresGrad(true);
      Tensor loss =
          model
              .forward(
                  ModelInput.builder()
                      .inputsEmbeds(embedded)
                      .attentionMask(golden.get("in.attention_mask"))
                      .labels(golden.get("in.labels"))
                      .build())
              .loss()
              .orElseThrow();
      Goldens.assertClose(golden.get(name + ".loss"), loss, FORWARD, "loss");
      loss.backward();
      Goldens.assertClose(
          golden.get(name + ".grad.embedded"), embedded.grad().orElseThrow(), 1e-4, "gradient");
      model.loadAdapter(Goldens.path("arrow/experts/task_3"), o -> o.adapterName("another"));
      model.setAdapter(ROUTER);
      Goldens.assertClose(
          masked(golden, golden.get(name + ".more.logits")), logits(golden, model), FORWARD, name);
      model.deleteAdapter("another");
      Goldens.assertClose(
          masked(golden, golden.get(name + ".logits")), logits(golden, model), FORWARD, "again");
    }
  }

  /** Unlike in Python, where general knowledge is taken out of the adapters for good. */
  @Test
  void theAdaptersStayAsTheyAre() {
    try (TensorScope scope = TensorScope.open("arrow");
        CausalLM base = base();
        CausalLM second = base();
        PeftModelForCausalLM model = model(base, "gks");
        PeftModelForCausalLM alone = PeftModel.fromPretrained(second, expert("task_1"), o -> {})) {
      Map<String, Tensor> golden = Goldens.tensors("arrow/io.safetensors");
      model.eval();
      logits(golden, model);
      model.setAdapter("task_1");
      assertArrayEquals(logits(golden, alone).toFloats(), logits(golden, model).toFloats());
    }
  }

  @Test
  void followsAdaptersThatChange() {
    try (TensorScope scope = TensorScope.open("arrow");
        CausalLM base = base();
        PeftModelForCausalLM model = model(base, "two")) {
      Map<String, Tensor> golden = Goldens.tensors("arrow/io.safetensors");
      model.eval();
      Tensor before = logits(golden, model);
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (name.contains("lora_A.task_0")) {
                  parameter.copyFrom(parameter.tensor().detach().mul(-3));
                }
              });
      Tensor turned = logits(golden, model);
      assertFalse(Arrays.equals(before.toFloats(), turned.toFloats()));
      // The direction is the same, so that the shares are: only the change is other.
      assertTrue(before.sub(turned).abs().max().toDouble() > 1e-3);
    }
  }

  @Test
  void pythonsFolderLoadsAndItsFilesAreOurs(@TempDir Path folder) throws IOException {
    try (TensorScope scope = TensorScope.open("arrow");
        CausalLM base = base();
        CausalLM second = base();
        PeftModelForCausalLM model = model(base, "two")) {
      Map<String, Tensor> golden = Goldens.tensors("arrow/io.safetensors");
      model.savePretrained(folder);
      Path python = Goldens.path("arrow/saved");
      assertEquals(names(python), names(folder));
      for (String name : List.of("task_0", "task_1", "task_2")) {
        assertArrayEquals(
            Files.readAllBytes(python.resolve(name).resolve("adapter_model.safetensors")),
            Files.readAllBytes(folder.resolve(name).resolve("adapter_model.safetensors")));
      }
      assertEquals(Goldens.map(router(python)).keySet(), Goldens.map(router(folder)).keySet());
      assertEquals(router(python).get("arrow_config"), router(folder).get("arrow_config"));
      try (PeftModelForCausalLM loaded =
          PeftModel.fromPretrained(
              second, python.resolve("task_0"), o -> o.adapterName("task_0"))) {
        for (String name : List.of("task_1", "task_2", ROUTER)) {
          loaded.loadAdapter(python.resolve(name), o -> o.adapterName(name));
        }
        loaded.setAdapter(ROUTER);
        loaded.eval();
        Goldens.assertClose(
            masked(golden, golden.get("two.logits")), logits(golden, loaded), FORWARD, "loaded");
      }
    }
  }

  private static JsonNode router(Path folder) {
    return Goldens.json(folder.resolve(ROUTER).resolve("adapter_config.json"));
  }

  private static Set<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      TreeSet<String> result = new TreeSet<>();
      files
          .filter(Files::isRegularFile)
          .filter(file -> !file.endsWith("README.md"))
          .forEach(file -> result.add(folder.relativize(file).toString()));
      return result;
    }
  }

  @Test
  void overQuantizedWeightsAndInMixedBatches() {
    try (TensorScope scope = TensorScope.open("arrow");
        CausalLM base = base()) {
      Map<String, Tensor> golden = Goldens.tensors("arrow/io.safetensors");
      BitsAndBytesConfig.builder().loadIn8bit(true).build().applyTo(base);
      try (PeftModelForCausalLM model = model(base, "two")) {
        model.eval();
        Tensor routed = logits(golden, model);
        model.setAdapter("task_0");
        Tensor alone = logits(golden, model);
        Tensor mixed =
            model.withAdapterNames(List.of(ROUTER, "task_0"), () -> logits(golden, model));
        assertArrayEquals(
            routed.select(0, 0).toFloats(), mixed.select(0, 0).toFloats(), 2e-5f, "routed");
        assertArrayEquals(
            alone.select(0, 1).toFloats(), mixed.select(0, 1).toFloats(), 2e-5f, "alone");
      }
    }
  }

  @Test
  void refusesWhatCannotBe() {
    try (TensorScope scope = TensorScope.open("arrow");
        CausalLM base = base()) {
      float[] plain = logits(Goldens.tensors("arrow/io.safetensors"), base).toFloats();
      refused("topK", () -> arrow(base, ArrowConfig.builder().build(), expert("task_0")));
      refused("at least one", () -> arrow(base, ArrowConfig.builder().topK(1).build()));
      refused(
          "generalAdapterPaths",
          () -> arrow(base, ArrowConfig.builder().topK(1).useGks(true).build(), expert("task_0")));
      String other = Goldens.path("opt_lora/adapter").toString();
      refused(
          "the same layers",
          () -> arrow(base, ArrowConfig.builder().topK(1).build(), expert("task_0"), other));
      refused(
          "variant",
          () ->
              arrow(
                  base,
                  ArrowConfig.builder().topK(1).build(),
                  Goldens.path("tuner_dora/adapter").toString()));
      assertArrayEquals(
          plain, logits(Goldens.tensors("arrow/io.safetensors"), base).toFloats(), "as it was");
      try (PeftModelForCausalLM model = model(base, "two")) {
        assertThrows(UnsupportedOperationException.class, model::mergeAdapter);
        model.deleteAdapter("task_0");
        model.deleteAdapter("task_1");
        assertTrue(
            assertThrows(
                    IllegalStateException.class,
                    () -> logits(Goldens.tensors("arrow/io.safetensors"), model))
                .getMessage()
                .contains("topK"));
        assertThrows(
            IllegalArgumentException.class,
            () ->
                model.addAdapter(
                    "both",
                    LoraConfig.builder()
                        .targetModules("q_proj")
                        .useDora(true)
                        .arrowConfig(ArrowConfig.builder().build())
                        .build()));
      }
    }
  }

  private static void arrow(CausalLM base, ArrowConfig config, String... tasks) {
    Peft.createArrowModel(base, List.of(tasks), config).close();
  }

  private static void refused(String part, Runnable work) {
    String message = assertThrows(IllegalArgumentException.class, work::run).getMessage();
    assertTrue(message.contains(part), message);
  }
}
