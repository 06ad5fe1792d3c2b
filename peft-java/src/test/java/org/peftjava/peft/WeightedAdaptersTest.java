package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.CombinationType;
import org.peftjava.peft.tuner.MajoritySignMethod;
import org.peftjava.peft.tuner.WeightedAdapterOptions;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** Adapters made of several: golden/weighted_adapters. */
@ExtendWith(LedgerCheck.class)
class WeightedAdaptersTest {
  private static final String CASE = "weighted_adapters/";
  private static final JsonNode FACTS = Goldens.json(Goldens.path(CASE + "case.json"));

  private TensorScope scope;
  private Map<String, Tensor> golden;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors(CASE + "io.safetensors");
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static Stream<String> rows() {
    return StreamSupport.stream(FACTS.get("rows").spliterator(), false)
        .map(row -> row.get("row").textValue());
  }

  private static JsonNode row(String name) {
    return StreamSupport.stream(FACTS.get("rows").spliterator(), false)
        .filter(row -> row.get("row").textValue().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private static CausalLM base(String folder) {
    return AutoModelForCausalLM.fromPretrained(
        Goldens.path(folder.equals("ia3") ? "opt_lora/base" : "llama_lora/base"));
  }

  private static PeftModelForCausalLM open(CausalLM base, String folder) {
    Path first = Goldens.path(CASE + folder);
    PeftModelForCausalLM model =
        PeftModel.fromPretrained(base, first, options -> options.isTrainable(true));
    model.loadAdapter(first.resolve("b"), options -> options.adapterName("b"));
    if (folder.equals("lora")) {
      model.loadAdapter(first.resolve("c"), options -> options.adapterName("c"));
    }
    model.eval();
    return model;
  }

  private static void set(WeightedAdapterOptions.Builder o, JsonNode arguments) {
    arguments
        .fields()
        .forEachRemaining(
            field -> {
              JsonNode value = field.getValue();
              switch (field.getKey()) {
                case "combination_type" ->
                    o.combinationType(
                        CombinationType.valueOf(value.textValue().toUpperCase(Locale.ROOT)));
                case "svd_rank" -> o.svdRank(value.intValue());
                case "svd_clamp" -> o.svdClamp(value.doubleValue());
                case "density" -> o.density(value.doubleValue());
                case "majority_sign_method" ->
                    o.majoritySignMethod(
                        MajoritySignMethod.valueOf(value.textValue().toUpperCase(Locale.ROOT)));
                default -> assertTrue(List.of("adapters", "weights").contains(field.getKey()));
              }
            });
  }

  private Tensor logits(PeftModelForCausalLM model) {
    try (GradMode off = GradMode.noGrad()) {
      Tensor mask = golden.get("in.attention_mask");
      ModelInput input =
          ModelInput.builder().inputIds(golden.get("in.input_ids")).attentionMask(mask).build();
      return model.forward(input).logits().orElseThrow().maskedFill(mask.eq(0).unsqueeze(-1), 0);
    }
  }

  @ParameterizedTest
  @MethodSource("rows")
  void everyCombinationIsPythons(String name, @TempDir Path folder) {
    JsonNode row = row(name);
    String kind = name.equals("ia3") ? "ia3" : "lora";
    try (CausalLM base = base(kind);
        PeftModelForCausalLM model = open(base, kind)) {
      Randomness.manualSeed(FACTS.get("seed").asLong());
      List<Double> weights = new ArrayList<>();
      row.at("/arguments/weights").forEach(weight -> weights.add(weight.doubleValue()));
      model.addWeightedAdapter(
          Goldens.texts(row.at("/arguments/adapters")),
          weights,
          "new",
          o -> set(o, row.get("arguments")));
      assertEquals(List.of("default"), model.activeAdapters());
      assertTrue(
          model.namedParameters().entrySet().stream()
              .noneMatch(e -> e.getKey().contains(".new") && e.getValue().requiresGrad()));
      model.savePretrained(folder, options -> options.selectedAdapters("new"));
      assertSaved(name, folder.resolve("new/adapter_model.safetensors"));
      assertConfig(row.get("config"), model.peftConfig().get("new").fields().values());
      model.setAdapter("new");
      model.eval();
      Tensor mask = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      Goldens.assertClose(
          golden.get(name + ".logits").maskedFill(mask, 0), logits(model), 5e-5, name);
    }
  }

  private void assertSaved(String row, Path file) {
    try (WeightSource saved = Safetensors.open(file)) {
      int found = 0;
      for (String key : saved.names()) {
        Tensor whole = golden.get(row + "." + key);
        if (whole != null) {
          Goldens.assertClose(whole, saved.tensor(key), 1e-5, row + " " + key);
          found++;
        } else if (key.contains("lora_A") || key.contains("lora_embedding_A")) {
          String path = key.substring(0, key.indexOf(".lora_"));
          Goldens.assertClose(
              golden.get(row + ".product." + path),
              saved.tensor(key.replace("_A", "_B")).matmul(saved.tensor(key)),
              2e-5,
              row + " " + path);
          found++;
        }
      }
      long expected =
          golden.keySet().stream()
              .filter(key -> key.startsWith(row + ".") && !key.endsWith("logits"))
              .count();
      assertEquals(expected, found, row);
    }
  }

  private static void assertConfig(JsonNode expected, Map<String, Object> config) {
    expected
        .fields()
        .forEachRemaining(
            field -> {
              Object actual = config.get(field.getKey());
              if (actual instanceof List<?> list) {
                assertEquals(new TreeSet<>(Goldens.texts(field.getValue())), new TreeSet<>(list));
              } else {
                assertEquals(field.getValue().asLong(), ((Number) actual).longValue());
              }
            });
  }

  @Test
  void catIsTheWeightedSumAlsoWithRsloraAndBiases() {
    try (CausalLM base = base("lora");
        PeftModelForCausalLM model =
            Peft.getPeftModel(base, rslora(4, 10.0).initLoraWeights(false).build())) {
      model.addAdapter("b", rslora(2, 3.0).initLoraWeights(false).build());
      model.eval();
      Tensor plain = model.withoutAdapter(() -> logits(model));
      model.addWeightedAdapter(
          List.of("default", "b"),
          List.of(1.0, 1.0),
          "sum",
          o -> o.combinationType(CombinationType.CAT));
      model.setAdapter("default", "b");
      model.eval();
      Tensor both = logits(model);
      assertTrue(TinyOpt.gap(plain, both) > 0.05);
      model.setAdapter("sum");
      model.eval();
      assertEquals(0, TinyOpt.gap(both, logits(model)), 2e-5);
    }
  }

  private static LoraConfigBuilder rslora(int r, double alpha) {
    return LoraConfig.builder().r(r).loraAlpha((int) alpha).useRslora(true).targetModules("q_proj");
  }

  @Test
  void mistakesAreNamedAndChangeNothing() {
    try (CausalLM base = base("lora");
        PeftModelForCausalLM model = open(base, "lora")) {
      assertRefused(model, "\"nope\"", List.of("default", "nope"), o -> {});
      assertRefused(model, "[4, 3]", List.of("default", "c"), type(CombinationType.LINEAR));
      assertRefused(model, "density", List.of("default", "b"), type(CombinationType.TIES));
      assertRefused(
          model,
          "density",
          List.of("default", "b"),
          type(CombinationType.DARE_TIES).andThen(o -> o.density(-1)));
      assertRefused(model, "svdRank", List.of("default", "b"), o -> o.svdRank(0));
      assertRefused(model, "each once", List.of("b", "b"), o -> {});
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () -> model.addWeightedAdapter(List.of("b"), List.of(1.0, 2.0), "new"))
              .getMessage()
              .contains("[1.0, 2.0]"));
      assertThrows(
          IllegalArgumentException.class,
          () -> model.addWeightedAdapter(List.of("b"), List.of(1.0), "c"));
      assertEquals(List.of("default", "b", "c"), List.copyOf(model.peftConfig().keySet()));
      assertFalse(model.namedParameters().keySet().stream().anyMatch(key -> key.contains(".new")));
    }
  }

  private static Consumer<WeightedAdapterOptions.Builder> type(CombinationType type) {
    return o -> o.combinationType(type);
  }

  private static void assertRefused(
      PeftModel model,
      String part,
      List<String> adapters,
      Consumer<WeightedAdapterOptions.Builder> options) {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> model.addWeightedAdapter(adapters, List.of(1.0, 1.0), "new", options))
            .getMessage();
    assertTrue(message.contains(part), message);
  }
}
