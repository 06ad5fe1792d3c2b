package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.peft.tuner.shadow.ShadowConfigBuilder;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;

/** ShadowPEFT on classifiers, and with shadow models that come from a folder. */
@ExtendWith(LedgerCheck.class)
class ShadowHeadsTest {
  private static final String OTHER = "other";

  private static final String WEIGHTS = "adapter_model.safetensors";

  private static ShadowConfigBuilder config() {
    return ShadowConfig.builder().r(2).shadowAlpha(0.8).initWeights(false);
  }

  private static void assertGradients(
      PeftModel model, Map<String, Tensor> golden, String prefix, Tensor loss) {
    loss.backward();
    Set<String> found = new TreeSet<>();
    for (Map.Entry<String, Parameter> entry : model.namedParameters().entrySet()) {
      entry
          .getValue()
          .tensor()
          .grad()
          .ifPresent(
              gradient -> {
                found.add(prefix + entry.getKey());
                Goldens.assertClose(
                    golden.get(prefix + entry.getKey()), gradient, 1e-4, entry.getKey());
              });
    }
    Set<String> expected = new TreeSet<>(golden.keySet());
    expected.removeIf(key -> !key.startsWith(prefix));
    assertEquals(expected, found);
    model.zeroGrad();
  }

  /** golden/shadow_texts: a head of the shadow's own beside the one that is trained in full. */
  @ParameterizedTest
  @ValueSource(strings = {"sequence", "regression"})
  void classifiersTrainTwoHeads(String head, @TempDir Path folder) throws IOException {
    Path adapter = Goldens.path("shadow_texts/" + head);
    Map<String, Tensor> golden;
    try (TensorScope scope = TensorScope.openGraph(head);
        var base =
            AutoModelForSequenceClassification.fromPretrained(Goldens.path("heads_llama/" + head));
        PeftModelForTask model =
            PeftModel.fromPretrained(base, adapter, options -> options.isTrainable(true))) {
      golden = Goldens.tensors("shadow_texts/io.safetensors");
      model.eval();
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .labels(golden.get(head + ".labels"))
              .build();
      ModelOutput output = model.forward(input);
      Goldens.assertClose(
          golden.get(head + ".logits"), output.logits().orElseThrow(), 1e-5, "logits");
      Goldens.assertClose(golden.get(head + ".loss"), output.loss().orElseThrow(), 1e-5, "loss");
      assertEquals(
          golden.get(head + ".shadow_loss").toDouble(),
          model.shadow().lastShadowLoss().orElseThrow(),
          1e-5);
      assertGradients(model, golden, head + ".grad.", output.loss().orElseThrow());
      model.savePretrained(folder);
      assertArrayEquals(
          Files.readAllBytes(adapter.resolve(WEIGHTS)),
          Files.readAllBytes(folder.resolve(WEIGHTS)));
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> model.addAdapter(OTHER, config().build()))
              .getMessage();
      assertTrue(message.contains("can have one SHADOW adapter only"), message);
    }
  }

  @Test
  void theShadowsHeadBeginsAsTheBases() {
    try (TensorScope scope = TensorScope.open("head");
        var base =
            AutoModelForSequenceClassification.fromPretrained(
                Goldens.path("heads_llama/sequence"));
        PeftModelForTask model =
            Peft.getPeftModel(base, config().build().with("task_type", "SEQ_CLS"))) {
      Goldens.assertClose(
          Goldens.tensors("shadow_texts/io.safetensors").get("sequence.fresh.head"),
          model.namedParameters().get("base_model.shadow_head.default.weight").tensor(),
          0,
          "head");
    }
  }

  private static ModelInput input(Map<String, Tensor> golden) {
    return ModelInput.builder()
        .inputIds(golden.get("in.input_ids"))
        .attentionMask(golden.get("in.attention_mask"))
        .labels(golden.get("in.labels"))
        .outputLogits(true)
        .build();
  }

  /** golden/shadow_own: a model of its own, whose token vectors stay, without and with a map. */
  @ParameterizedTest
  @ValueSource(strings = {"plain", "projected"})
  void shadowModelsOfTheirOwn(String kind, @TempDir Path folder) throws IOException {
    Path adapter = Goldens.path("shadow_own/" + kind + "_adapter");
    String shadow = Goldens.path("shadow_own/" + kind).toString();
    TunerConfig own = PeftConfig.fromPretrained(adapter).with("shadow_model", shadow);
    try (TensorScope scope = TensorScope.openGraph(kind);
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("llama_lora/base"))) {
      Map<String, Tensor> golden = Goldens.tensors("shadow_own/io.safetensors");
      try (PeftModelForCausalLM fresh =
          Peft.getPeftModel(base, own.with("inference_mode", false))) {
        golden.forEach(
            (key, value) -> {
              if (key.startsWith(kind + ".fresh.")) {
                String name = key.substring(kind.length() + 7);
                Goldens.assertClose(value, fresh.namedParameters().get(name).tensor(), 0, name);
              }
            });
      }
      try (PeftModelForCausalLM model =
          PeftModel.fromPretrained(
              base, adapter, options -> options.config(own).isTrainable(true))) {
        model.eval();
        ModelOutput output = model.forward(input(golden));
        Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
        Goldens.assertClose(
            golden.get(kind + ".logits").maskedFill(padding, 0),
            output.logits().orElseThrow().maskedFill(padding, 0),
            1e-5,
            "logits");
        Goldens.assertClose(golden.get(kind + ".loss"), output.loss().orElseThrow(), 1e-5, "loss");
        assertGradients(model, golden, kind + ".grad.", output.loss().orElseThrow());
        assertFalse(
            model
                .namedParameters()
                .get("base_model.shadow_backbone.default.embed_tokens.weight")
                .requiresGrad());
        model.savePretrained(folder);
        assertArrayEquals(
            Files.readAllBytes(adapter.resolve(WEIGHTS)),
            Files.readAllBytes(folder.resolve(WEIGHTS)));
      }
    }
  }
}
