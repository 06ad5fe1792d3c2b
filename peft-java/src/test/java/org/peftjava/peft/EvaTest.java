package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.lora.EvaConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.peft.tuner.lora.LoraInit;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** EVA against the real PEFT: golden/eva. */
@ExtendWith(LedgerCheck.class)
class EvaTest {
  private static final JsonNode FACTS = Goldens.json(Goldens.path("eva/case.json"));
  private static final int BATCHES = 6;

  private final TensorScope scope = TensorScope.open("test");
  private Map<String, Tensor> golden = Map.of();
  private List<TokenBatch> data = List.of();

  @BeforeEach
  void open() {
    golden = Goldens.tensors("eva/io.safetensors");
    data = new ArrayList<>();
    for (int i = 0; i < BATCHES; i++) {
      data.add(
          new TokenBatch(
              TunerCase.rowsOf(golden.get("in." + i + ".input_ids")),
              TunerCase.rowsOf(golden.get("in." + i + ".attention_mask")),
              Optional.of(TunerCase.rowsOf(golden.get("in." + i + ".labels")))));
    }
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static List<String> cases() {
    return List.copyOf(Goldens.map(FACTS.get("cases")).keySet());
  }

  private static LoraConfig config(JsonNode facts) {
    return LoraConfig.of(Goldens.map(facts.get("config")));
  }

  private static CausalLM base(JsonNode facts) {
    return AutoModelForCausalLM.fromPretrained(Goldens.path(facts.get("base").asText()));
  }

  private static LoraConfigBuilder builder() {
    return LoraConfig.builder().r(2).targetModules("q_proj").initLoraWeights(new LoraInit.Eva());
  }

  private void assertClose(String prefix, Map<String, Tensor> actual) {
    TreeSet<String> expected = new TreeSet<>();
    golden.keySet().stream()
        .filter(key -> key.startsWith(prefix))
        .forEach(key -> expected.add(key.substring(prefix.length())));
    assertEquals(expected, new TreeSet<>(actual.keySet()));
    expected.forEach(
        key -> {
          Tensor value = golden.get(prefix + key);
          Goldens.assertClose(value, actual.get(key).to(value.dtype()), 1e-4, prefix + key);
        });
  }

  @ParameterizedTest
  @MethodSource("cases")
  void componentsRanksAndValuesArePythons(String name, @TempDir Path folder) {
    JsonNode facts = FACTS.get("cases").get(name);
    try (CausalLM base = base(facts);
        PeftModelForCausalLM model = Peft.getPeftModel(base, config(facts))) {
      Map<String, Tensor> state = Peft.getEvaStateDict(model, data);
      assertClose(name + ".eva.", state);
      Randomness.State random = Randomness.save();
      Peft.initializeLoraEvaWeights(model, data);
      Map<String, Tensor> own = new TreeMap<>();
      model
          .namedParameters()
          .forEach(
              (key, value) -> {
                if (key.contains("lora_") && !key.contains("embedding")) {
                  own.put(key, value.tensor().detach());
                  assertTrue(value.requiresGrad(), key);
                }
              });
      assertClose(name + ".param.", own);
      Map<String, Object> fields =
          new HashMap<>(model.peftConfig().get("default").fields().values());
      JsonNode result = facts.get("result");
      for (String field : List.of("rank_pattern", "alpha_pattern")) {
        assertEquals(numbers(Goldens.map(result.get(field))), numbers(fields.get(field)), field);
      }
      assertEquals(
          Goldens.map(result.get("eva_config")).keySet(),
          ((Map<?, ?>) fields.get("eva_config")).keySet());
      assertEquals(
          new TreeSet<>(Goldens.texts(result.get("target_modules"))),
          new TreeSet<>((List<?>) fields.get("target_modules")));
      Randomness.restore(random);
      assertSavedAndLoaded(facts, model, folder);
    }
  }

  private static Map<String, Double> numbers(Object pattern) {
    Map<String, Double> result = new TreeMap<>();
    ((Map<?, ?>) pattern).forEach((k, v) -> result.put((String) k, ((Number) v).doubleValue()));
    return result;
  }

  /** With values for B the scalings are heard. */
  private void assertSavedAndLoaded(JsonNode facts, PeftModelForCausalLM model, Path folder) {
    for (Map.Entry<String, Parameter> entry : model.namedParameters().entrySet()) {
      if (entry.getKey().contains("lora_B")) {
        entry.getValue().copyFrom(entry.getValue().tensor().detach().add(0.1));
      }
    }
    model.eval();
    model.savePretrained(folder);
    float[] expected = model.forward(data.get(0)).loss().orElseThrow().toFloats();
    try (CausalLM second = base(facts);
        PeftModelForCausalLM loaded = PeftModel.fromPretrained(second, folder.toString())) {
      assertEquals(
          expected[0], loaded.forward(data.get(0)).loss().orElseThrow().toFloats()[0], 1e-6);
    }
  }

  @Test
  void aPlainModelAndAStateDictAsInPython() {
    JsonNode facts = FACTS.get("cases").get("moved");
    try (CausalLM base = base(facts)) {
      LoraConfig config =
          builder().targetModules("v_proj").evaConfig(EvaConfig.builder().tau(0.9).build()).build();
      assertClose("plain.eva.", Peft.getEvaStateDict(base, data, config));
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, config(facts))) {
        Map<String, Tensor> state = Peft.getEvaStateDict(model, data);
        Peft.initializeLoraEvaWeights(model, state);
        model
            .namedParameters()
            .forEach(
                (key, value) -> {
                  if (key.contains("lora_A")) {
                    Goldens.assertClose(
                        golden.get("moved.param." + key), value.tensor().detach(), 1e-4, key);
                  }
                });
      }
    }
  }

  @Test
  void anyModuleRunsWithItsOwnForwardPass() {
    JsonNode facts = FACTS.get("cases").get("moved");
    List<Integer> seen = new ArrayList<>();
    try (CausalLM base = base(facts);
        PeftModelForCausalLM model = Peft.getPeftModel(base, config(facts))) {
      Map<String, Tensor> state =
          Peft.getEvaStateDict(
              model,
              List.of(0, 1, 2, 3, 4, 5),
              o ->
                  o.forwardFn(
                          i -> {
                            seen.add(i);
                            model.forward(data.get(i));
                          })
                      .prepareLayerInputsFn((x, rows, layer) -> x.reshape(-1, x.size(-1))));
      assertEquals(6, state.size());
      assertTrue(seen.size() > 2);
    }
  }

  @Test
  void overFourBitWeightsTheComponentsAreThoseOfItsOwnInputs() {
    JsonNode facts = FACTS.get("cases").get("moved");
    try (CausalLM base = base(facts)) {
      BitsAndBytesConfig.builder().loadIn4bit(true).build().applyTo(base);
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, config(facts))) {
        double before = model.forward(data.get(0)).loss().orElseThrow().toDouble();
        Map<String, Tensor> state = Peft.getEvaStateDict(model, data);
        Peft.initializeLoraEvaWeights(model, state);
        state.forEach(
            (name, value) -> {
              Tensor a = model.namedParameters().get(name + ".lora_A.default.weight").tensor();
              Goldens.assertClose(value.to(a.dtype()), a.detach(), 0, name);
              Tensor gram = value.matmul(value.t());
              Tensor unit = LinearAlgebra.identity(gram.dtype(), gram.device(), gram.size(0));
              Goldens.assertClose(unit, gram, 1e-5, name);
            });
        assertEquals(before, model.forward(data.get(0)).loss().orElseThrow().toDouble(), 1e-6);
      }
    }
  }

  @Test
  void whatCannotBeIsSaid() {
    JsonNode facts = FACTS.get("cases").get("moved");
    try (CausalLM base = base(facts)) {
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(base, LoraConfig.builder().targetModules("q_proj").build())) {
        assertRefused(model, data, "does not start with EVA");
      }
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, builder().build())) {
        assertRefused(model, List.of(), "the dataloader gives no batch");
        assertRefused(
            model,
            List.of(TokenBatch.of(new long[][] {{5, 6, 7}})),
            "no batch has enough tokens that count for the layer");
        model.addAdapter("other", builder().build());
        model.setAdapter("default", "other");
        Map<String, Tensor> none = Map.of();
        assertThrows(IllegalStateException.class, () -> Peft.initializeLoraEvaWeights(model, none));
      }
      assertThrows(IllegalArgumentException.class, () -> EvaConfig.builder().rho(0.5).build());
      assertThrows(IllegalArgumentException.class, () -> EvaConfig.builder().tau(1.5).build());
    }
  }

  private static void assertRefused(PeftModel model, List<TokenBatch> data, String expected) {
    String message =
        assertThrows(
                IllegalArgumentException.class, () -> Peft.initializeLoraEvaWeights(model, data))
            .getMessage();
    assertTrue(message.contains(expected), message);
  }
}
