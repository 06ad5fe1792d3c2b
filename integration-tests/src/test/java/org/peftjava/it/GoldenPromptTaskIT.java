package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.PassOptions;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForSeq2SeqLM;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Virtual tokens on T5 and on models with heads beside the real PEFT. */
@ExtendWith(NoLeaks.class)
class GoldenPromptTaskIT {
  private static final String WEIGHTS = "adapter_model.safetensors";

  private static String task(Golden golden) {
    return golden.facts().at("/config/task_type").asText();
  }

  private static PretrainedModel base(Golden golden) {
    return TaskModels.base(task(golden), golden.folder("base"));
  }

  private static ModelInput.Builder input(Golden golden) {
    return golden
        .input("in")
        .taskIds(golden.find("in.task_ids"))
        .positionIds(golden.find("in.position_ids"))
        .tokenTypeIds(golden.find("in.token_type_ids"))
        .labels(golden.find("in.labels"))
        .startPositions(golden.find("in.start_positions"))
        .endPositions(golden.find("in.end_positions"))
        .outputLogits(true);
  }

  /** The parameters that are trained; those of a head of several layers under Python's names. */
  private static Map<String, Parameter> trainable(PeftModel model) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    LoraCase.trainable(model)
        .forEach(
            (key, value) ->
                result.put(
                    key.replaceFirst(
                        "classifier\\.(\\w+)\\.modules_to_save\\.default",
                        "classifier.modules_to_save.default.$1"),
                    value));
    return result;
  }

  private static Tensor loss(Golden golden, PretrainedModel model) {
    return model.forward(input(golden).build()).loss().orElseThrow();
  }

  private static void assertLogits(Golden golden, String key, PretrainedModel model) {
    try (GradMode off = GradMode.noGrad()) {
      Tensor actual = TaskModels.logits(model, input(golden).build());
      Golden.assertClose(golden.get(key), actual, golden.tolerance("forward"), key);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "prompt_t5",
        "ptuning_t5",
        "prefix_t5",
        "prefix_t5_short",
        "prompt_bart",
        "prefix_bart",
        "multitask_t5",
        "poly_t5",
        "prompt_bert_sequence",
        "prompt_llama_sequence",
        "ptuning_roberta_span",
        "prompt_roberta_token",
        "prompt_distilbert_sequence",
        "prefix_bert_sequence",
        "prefix_bert_span",
        "prefix_roberta_sequence",
        "prefix_roberta_token",
        "prefix_llama_sequence",
        "prefix_gpt2_token"
      })
  void forwardGradientsGenerationFilesAndSteps(String name, @TempDir Path saved)
      throws IOException {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      TunerConfig config = PeftConfig.fromPretrained(golden.folder("adapter"));
      try (PretrainedModel base = base(golden);
          PeftModel model = TaskModels.adapted(base, config.with("inference_mode", false))) {
        model.eval();
        Map<String, Parameter> trainable = trainable(model);
        assertEquals(LoraCase.keysBelow(golden, "param."), new TreeSet<>(trainable.keySet()));
        trainable.forEach((key, value) -> value.copyFrom(golden.get("param." + key)));
        PretrainedModel running = (PretrainedModel) model;
        assertLogits(golden, "adapter.logits", running);
        try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
          assertLogits(golden, "base.logits", running);
        }
        assertGradients(golden, running, model);
        if (model instanceof PeftModelForSeq2SeqLM pair) {
          assertGeneration(golden, pair);
        }
        assertFiles(golden, model, saved);
        assertLoads(golden, saved);
        GoldenSteps.check(golden, trainable, () -> loss(golden, running));
      }
    }
  }

  private static void assertGradients(Golden golden, PretrainedModel running, PeftModel model) {
    JsonNode facts = golden.facts();
    assertEquals(
        facts.get("trainableParameters").asLong(), model.trainableParameters().trainable());
    assertEquals(facts.get("allParameters").asLong(), model.trainableParameters().all());
    Tensor loss = loss(golden, running);
    Golden.assertClose(golden.get("adapter.loss"), loss, golden.tolerance("forward"), "loss");
    loss.backward();
    trainable(model)
        .forEach(
            (key, parameter) ->
                Golden.assertClose(
                    golden.get("grad." + key),
                    parameter
                        .tensor()
                        .grad()
                        .orElseGet(
                            () -> Creation.zeros(DType.FLOAT32, parameter.shape().toArray())),
                    golden.tolerance("gradient"),
                    key));
    model.zeroGrad();
  }

  private static long[][] generate(
      Golden golden, PeftModelForSeq2SeqLM model, Consumer<GenerationConfig.Builder> settings) {
    TokenBatch source =
        TokenBatch.of(golden.rows("in.input_ids"), golden.rows("in.attention_mask"));
    return (golden.has("in.task_ids")
            ? model.generate(
                source,
                settings,
                PassOptions.builder().taskIds(golden.get("in.task_ids").toLongs()).build())
            : model.generate(source, settings))
        .ids();
  }

  private static void assertGeneration(Golden golden, PeftModelForSeq2SeqLM model) {
    for (boolean useCache : new boolean[] {true, false}) {
      assertArrayEquals(
          golden.rows("gen.ids"),
          generate(golden, model, g -> g.maxNewTokens(6).eosTokenId().useCache(useCache)));
      if (golden.has("gen.beam_ids")) {
        assertArrayEquals(
            golden.rows("gen.beam_ids"),
            generate(
                golden, model, g -> g.maxNewTokens(6).eosTokenId().numBeams(3).useCache(useCache)));
      }
    }
  }

  private static void assertFiles(Golden golden, PeftModel model, Path saved) throws IOException {
    model.savePretrained(saved);
    Map<String, Tensor> expected = Golden.tensors(golden.folder("adapter").resolve(WEIGHTS));
    Map<String, Tensor> actual = Golden.tensors(saved.resolve(WEIGHTS));
    assertEquals(new TreeSet<>(expected.keySet()), new TreeSet<>(actual.keySet()));
    expected.forEach(
        (key, value) ->
            Golden.assertClose(value, actual.get(key), golden.tolerance("forward"), key));
    if (!golden.facts().at("/config/peft_type").asText().equals("P_TUNING")
        && !golden.facts().at("/config/prefix_projection").asBoolean()) {
      assertArrayEquals(
          Files.readAllBytes(golden.folder("adapter").resolve(WEIGHTS)),
          Files.readAllBytes(saved.resolve(WEIGHTS)));
    }
  }

  /** Python's file and ours compute the same. */
  private static void assertLoads(Golden golden, Path saved) {
    for (Path folder : new Path[] {golden.folder("adapter"), saved}) {
      try (PretrainedModel base = base(golden);
          PeftModel model = TaskModels.loaded(base, folder, false)) {
        assertEquals(0, model.trainableParameters().trainable());
        assertLogits(golden, "adapter.logits", (PretrainedModel) model);
      }
    }
  }
}
