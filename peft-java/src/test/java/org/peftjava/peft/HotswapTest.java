package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;

/** Adapters that take another one's place: golden/hotswap. */
@ExtendWith(LedgerCheck.class)
class HotswapTest {
  private static final JsonNode FACTS = Goldens.json(Goldens.path("hotswap/case.json"));
  private static final String DEFAULT = "default";

  private TensorScope scope;
  private Map<String, Tensor> golden;
  private CausalLM base;
  private PeftModelForCausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors("hotswap/io.safetensors");
    base = AutoModelForCausalLM.fromPretrained(folder("base"));
    model = PeftModel.fromPretrained(base, folder("first"), options -> {});
  }

  @AfterEach
  void close() {
    model.close();
    base.close();
    scope.close();
  }

  private static Path folder(String name) {
    return Goldens.path("hotswap").resolve(name);
  }

  private Tensor logits(CausalLanguageModel language) {
    ModelInput input =
        ModelInput.builder()
            .inputIds(golden.get("in.input_ids"))
            .attentionMask(golden.get("in.attention_mask"))
            .build();
    try (GradMode off = GradMode.noGrad()) {
      return masked(language.forward(input).logits().orElseThrow());
    }
  }

  private Tensor masked(Tensor logits) {
    return logits.maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  private void assertLogits(String key) {
    Goldens.assertClose(masked(golden.get(key)), logits(model), 1e-5, key);
  }

  @ParameterizedTest
  @ValueSource(strings = {"equal", "smaller", "larger", "fewer", "patterns"})
  void theNewAdapterActs(String name) {
    Hotswap.hotswapAdapter(model, folder(name), DEFAULT);
    assertLogits("fresh." + name + ".logits"); // Python has the wrong scaling with patterns
    if (!name.equals("patterns")) {
      assertLogits("swapped." + name + ".logits");
    }
    assertEquals(0, model.trainableParameters().trainable());
    Hotswap.hotswapAdapter(model, folder("first"), DEFAULT);
    assertLogits("fresh.first.logits");
  }

  @ParameterizedTest
  @ValueSource(strings = {"equal", "smaller", "larger", "fewer", "patterns"})
  void whatIsSavedAfterwardsIsTheNewAdapter(String name, @TempDir Path saved) {
    Hotswap.hotswapAdapter(model, folder(name).toString(), DEFAULT);
    model.savePretrained(saved);
    model.close();
    model = PeftModel.fromPretrained(base, saved, options -> options.isTrainable(true));
    model.eval();
    assertLogits("fresh." + name + ".logits");
    assertTrue(model.trainableParameters().trainable() > 0);
  }

  @Test
  void paddingChangesNothingAndStays() {
    Hotswap.prepareModelForCompiledHotswap(model, FACTS.path("paddedRank").asInt());
    assertLogits("padded.first.logits");
    for (String name : List.of("smaller", "larger", "fewer", "equal")) {
      Hotswap.hotswapAdapter(model, folder(name), DEFAULT);
      assertLogits("padded." + name + ".logits");
    }
    Map<String, Object> shapes = new TreeMap<>();
    model
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              if (name.contains("lora_")) {
                List<Integer> sizes = new ArrayList<>();
                for (long size : parameter.shape().toArray()) {
                  sizes.add((int) size);
                }
                shapes.put(name, sizes);
              }
            });
    assertEquals(new TreeMap<>(Goldens.map(FACTS.path("paddedShapes"))), shapes);
  }

  @Test
  void valuesOfAStateDictAndTrainingGoOn() {
    model.setAdapter(DEFAULT);
    Map<String, Tensor> state = Goldens.tensors("hotswap/larger/adapter_model.safetensors");
    LoraConfig config = (LoraConfig) PeftConfig.fromPretrained(folder("larger"));
    Hotswap.hotswapAdapterFromStateDict(model, state, DEFAULT, config);
    assertLogits("fresh.larger.logits");
    assertEquals(
        8, model.namedParameters().values().stream().filter(p -> p.requiresGrad()).count());
    ModelInput input =
        ModelInput.builder()
            .inputIds(golden.get("in.input_ids"))
            .attentionMask(golden.get("in.attention_mask"))
            .labels(golden.get("in.labels"))
            .build();
    model.forward(input).loss().orElseThrow().backward();
    model
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              if (parameter.requiresGrad()) {
                Tensor gradient = parameter.tensor().grad().orElseThrow();
                assertTrue(gradient.abs().max().toDouble() > 0, name);
              }
            });
  }

  @ParameterizedTest
  @CsvSource({
    "more, unexpected keys found: model.decoder.layers.0.fc1.lora_A.weight",
    "dropout, 'for lora_dropout, 0.0 != 0.1'",
    "rslora, 'for use_rslora, false != true'",
    "dora, 'for use_dora, false != true'",
    "ia3, Incompatible PEFT types found: LORA and IA3"
  })
  void whatPythonRefusesChangesNothing(String name, String part) {
    assertTrue(FACTS.path("errors").has(name));
    RuntimeException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> Hotswap.hotswapAdapter(model, folder(name), DEFAULT));
    assertTrue(error.getMessage().contains(part), error.getMessage());
    assertLogits("fresh.first.logits");
  }

  @ParameterizedTest
  @ValueSource(strings = {"tuner_velora", "tuner_bdlora", "tuner_kasa", "tuner_dora", "tuner_mica"})
  void variantsOfLora(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM fresh =
            Peft.getPeftModel(tuner.base(), PeftConfig.fromPretrained(tuner.adapter()))) {
      fresh.eval();
      Hotswap.hotswapAdapter(fresh, tuner.adapter(), DEFAULT);
      Goldens.assertClose(tuner.expected("adapter.logits"), tuner.logits(fresh), 1e-4, name);
    }
  }

  @Test
  void statesInWhichNothingCanBeSwapped() {
    assertThrows(
        IllegalArgumentException.class,
        () -> Hotswap.hotswapAdapter(model, folder("equal"), "other"));
    model.mergeAdapter();
    assertThrows(
        IllegalStateException.class, () -> Hotswap.hotswapAdapter(model, folder("equal"), DEFAULT));
    model.unmergeAdapter();
    RuntimeException small =
        assertThrows(
            IllegalArgumentException.class, () -> Hotswap.prepareModelForCompiledHotswap(model, 2));
    assertTrue(small.getMessage().contains("the original rank is larger (4)"), small.getMessage());
    Map<String, Tensor> state =
        new LinkedHashMap<>(Goldens.tensors("hotswap/equal/adapter_model.safetensors"));
    String key = state.keySet().iterator().next();
    state.put(key, Creation.zeros(DType.FLOAT32, 4, 17));
    LoraConfig config = (LoraConfig) PeftConfig.fromPretrained(folder("equal"));
    assertThrows(
        IllegalArgumentException.class,
        () -> Hotswap.hotswapAdapterFromStateDict(model, state, DEFAULT, config));
    assertLogits("fresh.first.logits");
    model.close();
    assertThrows(
        IllegalArgumentException.class, () -> Hotswap.prepareModelForCompiledHotswap(base, 4));
    LoraConfig parameters =
        LoraConfig.builder().targetModules().targetParameters("fc1.weight").build();
    model = Peft.getPeftModel(base, parameters);
    assertThrows(
        UnsupportedOperationException.class,
        () -> Hotswap.hotswapAdapter(model, folder("equal"), DEFAULT));
    assertThrows(
        UnsupportedOperationException.class,
        () -> Hotswap.prepareModelForCompiledHotswap(model, 8));
    model.close();
    model = PeftModel.fromPretrained(base, folder("ia3"), options -> {});
    assertThrows(
        IllegalArgumentException.class,
        () -> Hotswap.hotswapAdapter(model, folder("equal"), DEFAULT));
    assertThrows(
        IllegalArgumentException.class, () -> Hotswap.prepareModelForCompiledHotswap(model, 8));
  }

  @Test
  void headsAndEmbeddingsAreSwappedToo(@TempDir Path saved) {
    LoraConfig config =
        LoraConfig.builder()
            .r(3)
            .loraAlpha(7)
            .targetModules("embed_tokens", "q_proj")
            .modulesToSave("fc2")
            .initLoraWeights(false)
            .build();
    model.close();
    Tensor expected;
    try (PeftModelForCausalLM other = Peft.getPeftModel(base, config)) {
      other
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (parameter.requiresGrad()) {
                  parameter.copyFrom(parameter.tensor().detach().mul(1.5));
                }
              });
      other.eval();
      expected = logits(other);
      other.savePretrained(saved);
    }
    model = Peft.getPeftModel(base, config.toBuilder().r(5).build());
    model.eval();
    Hotswap.hotswapAdapter(model, saved, DEFAULT);
    Goldens.assertClose(expected, logits(model), 1e-6, "swapped");
  }
}
