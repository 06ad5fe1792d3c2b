package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.PassOptions;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Prompt learning on language models beside the real PEFT. */
@ExtendWith(NoLeaks.class)
class GoldenPromptIT {
  /** What is done with a case. */
  private interface Work {
    void run(Golden golden, CausalLM base, PeftModelForCausalLM model) throws IOException;
  }

  /** A new adapter with the golden values: a file alone cannot be trained on. */
  private static void with(String name, Work work) throws IOException {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      try (CausalLM base = AutoModelForCausalLM.fromPretrained(golden.folder("base"));
          PeftModelForCausalLM model =
              Peft.getPeftModel(
                  base,
                  PeftConfig.fromPretrained(golden.folder("adapter"))
                      .with("inference_mode", false))) {
        model.eval();
        Map<String, Parameter> trainable = LoraCase.trainable(model);
        assertEquals(LoraCase.keysBelow(golden, "param."), new TreeSet<>(trainable.keySet()));
        trainable.forEach((key, value) -> value.copyFrom(golden.get("param." + key)));
        if (golden.has("frozen")) {
          model
              .namedParameters()
              .get("prompt_encoder.default.frozen_embedding")
              .copyFrom(golden.get("frozen"));
        }
        work.run(golden, base, model);
      }
    }
  }

  private static ModelInput.Builder input(Golden golden, String side) {
    return golden.input(side).taskIds(golden.find("in.task_ids"));
  }

  private static String type(Golden golden) {
    return golden.facts().at("/config/peft_type").asText();
  }

  private static Tensor loss(Golden golden, PeftModelForCausalLM model) {
    return model
        .forward(input(golden, "in").labels(golden.get("in.labels")).build())
        .loss()
        .orElseThrow();
  }

  private static long[][] generate(
      Golden golden, PeftModelForCausalLM model, Consumer<GenerationConfig.Builder> settings) {
    TokenBatch prompt =
        TokenBatch.of(golden.rows("left.input_ids"), golden.rows("left.attention_mask"));
    Tensor tasks = golden.find("in.task_ids");
    return (tasks == null
            ? model.generate(prompt, settings)
            : model.generate(
                prompt, settings, PassOptions.builder().taskIds(tasks.toLongs()).build()))
        .ids();
  }

  private static void assertLogits(
      Golden golden, String key, CausalLanguageModel model, String side) {
    Tensor actual = model.forward(input(golden, side).build()).logits().orElseThrow();
    Tensor expected = golden.get(key);
    Tensor mask = golden.get(side + ".attention_mask");
    long virtual = expected.size(1) - mask.size(1);
    Golden.assertClose(
        visible(expected, mask, virtual),
        visible(actual, mask, virtual),
        golden.tolerance("forward"),
        key);
    if (virtual > 0) {
      Golden.assertClose(
          expected.narrow(1, 0, virtual),
          actual.narrow(1, 0, virtual),
          golden.tolerance("forward"),
          key + " of virtual tokens");
    }
  }

  private static Tensor visible(Tensor logits, Tensor mask, long virtual) {
    return logits.narrow(1, virtual, mask.size(1)).maskedFill(mask.eq(0).unsqueeze(-1), 0);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "prompt_opt",
        "prompt_llama",
        "prompt_head",
        "prefix_opt",
        "prefix_llama",
        "prefix_bloom",
        "prefix_gemma2",
        "prefix_gemma3",
        "prefix_phi3",
        "prefix_qwen2",
        "prefix_qwen3",
        "prefix_gpt2_projected",
        "ptuning_gpt2_mlp",
        "ptuning_opt_lstm",
        "multitask_llama",
        "cartridge_llama",
        "cpt_opt"
      })
  void forwardGradientsGenerationFilesAndSteps(String name, @TempDir Path saved)
      throws IOException {
    with(
        name,
        (golden, base, model) -> {
          assertForward(golden, model);
          assertGradients(golden, model);
          assertGeneration(golden, model);
          assertFiles(golden, model, saved);
          assertLoads(golden, saved);
          GoldenSteps.check(golden, LoraCase.trainable(model), () -> loss(golden, model));
        });
  }

  private static void assertForward(Golden golden, PeftModelForCausalLM model) {
    try (GradMode off = GradMode.noGrad()) {
      assertLogits(golden, "adapter.logits", model, "in");
      assertLogits(golden, "adapter.left_logits", model, "left");
      try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
        assertLogits(golden, "base.logits", model, "in");
      }
      assertLogits(golden, "adapter.logits", model, "in");
    }
  }

  private static void assertGradients(Golden golden, PeftModelForCausalLM model) {
    JsonNode facts = golden.facts();
    assertEquals(
        facts.get("trainableParameters").asLong(), model.trainableParameters().trainable());
    assertEquals(facts.get("allParameters").asLong(), model.trainableParameters().all());
    Tensor loss = loss(golden, model);
    Golden.assertClose(golden.get("adapter.loss"), loss, golden.tolerance("forward"), "loss");
    loss.backward();
    LoraCase.trainable(model)
        .forEach(
            (key, parameter) ->
                Golden.assertClose(
                    golden.get("grad." + key),
                    parameter.tensor().grad().orElseThrow(),
                    golden.tolerance("gradient"),
                    key));
    model.zeroGrad();
  }

  private static void assertGeneration(Golden golden, PeftModelForCausalLM model) {
    for (boolean useCache : new boolean[] {true, false}) {
      assertArrayEquals(
          golden.rows("gen.ids"),
          generate(golden, model, g -> g.maxNewTokens(6).eosTokenId().useCache(useCache)));
      assertArrayEquals(
          golden.rows("gen.beam_ids"),
          generate(
              golden, model, g -> g.maxNewTokens(6).eosTokenId().numBeams(3).useCache(useCache)));
    }
    assertArrayEquals(
        golden.rows("gen.ids"),
        generate(golden, model, g -> g.maxNewTokens(6).eosTokenId().prefillChunkSize(3)));
  }

  private static void assertFiles(Golden golden, PeftModelForCausalLM model, Path saved)
      throws IOException {
    model.savePretrained(saved);
    String weights = "adapter_model.safetensors";
    if (List.of("P_TUNING", "CPT").contains(type(golden))
        || golden.facts().at("/config/prefix_projection").asBoolean()) {
      Golden.assertClose(
          prompts(golden.folder("adapter").resolve(weights)),
          prompts(saved.resolve(weights)),
          golden.tolerance("forward"),
          "saved tokens");
    } else {
      assertArrayEquals(
          Files.readAllBytes(golden.folder("adapter").resolve(weights)),
          Files.readAllBytes(saved.resolve(weights)));
    }
    ObjectNode expected = (ObjectNode) config(golden.folder("adapter"));
    ObjectNode actual = (ObjectNode) config(saved);
    assertEquals(
        golden.folder("base").toString(), actual.get("base_model_name_or_path").textValue());
    actual.set("base_model_name_or_path", expected.get("base_model_name_or_path"));
    assertEquals(expected, actual);
  }

  private static Tensor prompts(Path file) {
    return Golden.tensors(file).get("prompt_embeddings");
  }

  private static JsonNode config(Path folder) {
    return Golden.json(folder.resolve("adapter_config.json"));
  }

  /** Python's file and ours compute the same. */
  private static void assertLoads(Golden golden, Path saved) {
    for (Path folder : new Path[] {golden.folder("adapter"), saved}) {
      try (GradMode off = GradMode.noGrad();
          CausalLM base = AutoModelForCausalLM.fromPretrained(golden.folder("base"));
          PeftModelForCausalLM model = PeftModel.fromPretrained(base, folder.toString())) {
        assertEquals(0, model.trainableParameters().trainable());
        assertLogits(golden, "adapter.logits", model, "in");
      }
    }
  }
}
