package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.AutoPeftModelForSeq2SeqLM;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForSeq2SeqLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.Seq2SeqLanguageModel;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** LoRA on T5 and mT5 beside the real PEFT: forward, backward, steps, merging, files. */
@ExtendWith(NoLeaks.class)
class GoldenT5LoraIT {
  /** What is done with a case. */
  private interface Work {
    void run(Golden golden, PeftModelForSeq2SeqLM model) throws IOException;
  }

  private static void with(String name, Work work) throws IOException {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      try (Seq2SeqLM base = AutoModelForSeq2SeqLM.fromPretrained(golden.folder("model"));
          PeftModelForSeq2SeqLM model =
              PeftModel.fromPretrained(
                  base, golden.folder("adapter"), options -> options.isTrainable(true))) {
        model.eval();
        work.run(golden, model);
      }
    }
  }

  private static ModelInput.Builder input(Golden golden) {
    return golden.input("in").labels(golden.get("in.labels"));
  }

  private static void assertLogits(Golden golden, String key, Seq2SeqLanguageModel model) {
    Tensor logits = model.forward(input(golden).outputLogits(true).build()).logits().orElseThrow();
    Golden.assertClose(golden.get(key), logits, golden.tolerance("forward"), key);
  }

  private static Map<String, Parameter> trainable(PeftModelForSeq2SeqLM model) {
    Map<String, Parameter> result = new LinkedHashMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5", "bart"})
  void adaptedDisabledMergedUnmerged(String name) throws IOException {
    with(
        name,
        (golden, model) -> {
          try (GradMode off = GradMode.noGrad()) {
            assertLogits(golden, "adapter.logits", model);
            try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
              assertLogits(golden, "labels.logits", model);
            }
            model.mergeAdapter();
            assertLogits(golden, "adapter.merged.logits", model);
            model.unmergeAdapter();
            assertLogits(golden, "adapter.logits", model);
            assertLogits(golden, "adapter.merged.logits", model.mergeAndUnload());
          }
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5", "bart"})
  void lossAndGradients(String name) throws IOException {
    with(
        name,
        (golden, model) -> {
          JsonNode facts = golden.facts();
          assertEquals(
              facts.get("trainableParameters").asLong(), model.trainableParameters().trainable());
          assertEquals(facts.get("allParameters").asLong(), model.trainableParameters().all());
          Tensor loss = model.forward(input(golden).build()).loss().orElseThrow();
          Golden.assertClose(golden.get("adapter.loss"), loss, golden.tolerance("forward"), "loss");
          loss.backward();
          Map<String, Parameter> trainable = trainable(model);
          assertEquals(LoraCase.keysBelow(golden, "param."), new TreeSet<>(trainable.keySet()));
          trainable.forEach(
              (key, parameter) -> {
                Golden.assertClose(golden.get("param." + key), parameter.tensor(), 0, key);
                Golden.assertClose(
                    golden.get("adapter.grad." + key),
                    parameter.tensor().grad().orElseThrow(),
                    golden.tolerance("gradient"),
                    key);
              });
          model.zeroGrad();
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5", "bart"})
  void generation(String name) throws IOException {
    with(
        name,
        (golden, model) -> {
          TokenBatch batch =
              TokenBatch.of(golden.rows("in.input_ids"), golden.rows("in.attention_mask"));
          long stop = golden.get("adapter.gen.stop_token").toLong();
          assertArrayEquals(
              golden.rows("adapter.gen.ids"), model.generate(batch, g -> g.maxNewTokens(7)).ids());
          assertArrayEquals(
              golden.rows("adapter.gen.stopped_ids"),
              model.generate(batch, g -> g.maxNewTokens(7).eosTokenId(stop)).ids());
          try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
            assertArrayEquals(
                golden.rows("beam.three.ids"),
                model.generate(batch, g -> g.maxNewTokens(7).numBeams(3)).ids());
          }
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5", "bart"})
  void threeSteps(String name) throws IOException {
    with(
        name,
        (golden, model) -> {
          Map<String, Parameter> parameters = trainable(model);
          List<Float> losses = new ArrayList<>();
          // the values of common.OPTIMIZER, with which the goldens were made
          AdamW.Options options = new AdamW.Options(0.01, 0.9, 0.999, 1e-8, 0.01);
          try (AdamW optimizer = new AdamW(parameters, options)) {
            for (int step = 0; step < 3; step++) {
              try (TensorScope scope = TensorScope.openGraph("step")) {
                Tensor loss = model.forward(input(golden).build()).loss().orElseThrow();
                losses.add((float) loss.toDouble());
                loss.backward();
              }
              optimizer.step();
              optimizer.zeroGrad();
            }
          }
          double tolerance = golden.tolerance("afterSteps");
          float[] expected = golden.get("adapter.train.losses").toFloats();
          for (int step = 0; step < 3; step++) {
            assertEquals(expected[step], losses.get(step), 4 * tolerance, "loss of step " + step);
          }
          assertTrue(losses.get(2) < losses.get(0) - 0.1, losses::toString);
          parameters.forEach(
              (key, parameter) ->
                  Golden.assertClose(
                      golden.get("adapter.train.after." + key),
                      parameter.tensor(),
                      tolerance,
                      key));
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5", "bart"})
  void savedFilesArePythons(String name, @TempDir Path saved) throws IOException {
    with(
        name,
        (golden, model) -> {
          model.savePretrained(saved);
          Path python = golden.folder("adapter");
          String weights = "adapter_model.safetensors";
          assertArrayEquals(
              Files.readAllBytes(python.resolve(weights)),
              Files.readAllBytes(saved.resolve(weights)));
          ObjectNode actual = config(saved);
          assertEquals(
              golden.folder("model").toString(), actual.get("base_model_name_or_path").asText());
          actual.remove("base_model_name_or_path");
          ObjectNode expected = config(python);
          expected.remove("base_model_name_or_path");
          assertEquals(expected, actual);
          try (PeftModelForSeq2SeqLM again =
                  AutoPeftModelForSeq2SeqLM.fromPretrained(saved.toString());
              GradMode off = GradMode.noGrad()) {
            assertLogits(golden, "adapter.logits", again);
          }
        });
  }

  /** The config with its targets, which Python writes in any order, sorted. */
  private static ObjectNode config(Path folder) {
    ObjectNode config = (ObjectNode) Golden.json(folder.resolve("adapter_config.json"));
    TreeSet<String> sorted = new TreeSet<>();
    config.get("target_modules").forEach(target -> sorted.add(target.textValue()));
    config.set("target_modules", new ObjectMapper().valueToTree(sorted));
    return config;
  }

  @Test
  void defaultTargetsAreThoseOfPython() {
    try (Seq2SeqLM base =
            AutoModelForSeq2SeqLM.fromPretrained(Golden.ROOT.resolve("t5_v10/model"));
        PeftModelForSeq2SeqLM model =
            Peft.getPeftModel(
                base, LoraConfig.builder().taskType(TaskType.SEQ_2_SEQ_LM).r(4).build())) {
      assertEquals(1632, model.trainableParameters().trainable());
      assertTrue(
          model
              .namedParameters()
              .containsKey(
                  "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.default.weight"));
    }
  }

  @Test
  void otherTasksAreRefused() {
    try (Seq2SeqLM base =
        AutoModelForSeq2SeqLM.fromPretrained(Golden.ROOT.resolve("t5_v10/model"))) {
      LoraConfig config = LoraConfig.builder().taskType(TaskType.CAUSAL_LM).build();
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class, () -> Peft.getPeftModel(base, config).close());
      assertTrue(error.getMessage().contains("SEQ_2_SEQ_LM"), error::getMessage);
    }
  }
}
