package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.primitives.Longs;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.peft.tuner.NoMatchingModulesException;
import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.ia3.IA3Config;
import org.peftjava.peft.tuner.loha.LoHaConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * The fields that say where an adapter goes and how strong it is, one or several at a time, over
 * five kinds of models: golden/field_table.
 */
@ExtendWith(LedgerCheck.class)
class FieldTableTest {
  private static final JsonNode TABLE = Goldens.json(Goldens.path("field_table/case.json"));
  private static final double FORWARD = TABLE.at("/tolerances/forward").asDouble();

  static Stream<Arguments> rows() {
    return StreamSupport.stream(TABLE.get("rows").spliterator(), false)
        .map(row -> Arguments.of(row.get("row").textValue(), row));
  }

  private static TunerConfig config(JsonNode row) {
    Map<String, Object> given = Goldens.map(row.get("config"));
    return switch (row.get("type").textValue()) {
      case "LoraConfig" -> LoraConfig.of(given);
      case "IA3Config" -> IA3Config.of(given);
      default -> LoHaConfig.of(given);
    };
  }

  /** A base model, what wraps it, and what it gave before. */
  private record Base(PretrainedModel model, PeftModel adapted, Tensor plain)
      implements AutoCloseable {
    static Base open(JsonNode row, Map<String, Tensor> golden) {
      JsonNode facts = TABLE.get("models").get(row.get("model").textValue());
      Path folder = Goldens.path(facts.get("base").textValue());
      TunerConfig config = config(row);
      return switch (facts.get("task").textValue()) {
        case "SEQ_CLS" -> {
          var model = AutoModelForSequenceClassification.fromPretrained(folder);
          yield adapted(model, logits(model, row, golden), () -> Peft.getPeftModel(model, config));
        }
        case "SEQ_2_SEQ_LM" -> {
          var model = AutoModelForSeq2SeqLM.fromPretrained(folder);
          yield adapted(model, logits(model, row, golden), () -> Peft.getPeftModel(model, config));
        }
        default -> {
          var model = AutoModelForCausalLM.fromPretrained(folder);
          yield adapted(model, logits(model, row, golden), () -> Peft.getPeftModel(model, config));
        }
      };
    }

    private static Base adapted(PretrainedModel model, Tensor plain, Supplier<PeftModel> wrap) {
      try {
        Randomness.manualSeed(1);
        Base result = new Base(model, wrap.get(), plain);
        result.adapted.eval();
        return result;
      } catch (RuntimeException e) {
        model.close();
        throw e;
      }
    }

    @Override
    public void close() {
      adapted.close();
      model.close();
    }
  }

  private static Tensor logits(PretrainedModel model, JsonNode row, Map<String, Tensor> golden) {
    String prefix = row.get("model").textValue() + ".";
    ModelInput.Builder input = ModelInput.builder().inputIds(golden.get(prefix + "input_ids"));
    if (golden.containsKey(prefix + "labels")) {
      input.labels(golden.get(prefix + "labels")).outputLogits(true);
    }
    try (GradMode off = GradMode.noGrad()) {
      return model.forward(input.build()).logits().orElseThrow();
    }
  }

  private static Map<String, Parameter> trained(PeftModel model) {
    Map<String, Parameter> result = new TreeMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rows")
  void isAsInPython(String name, JsonNode row, @TempDir Path folder) {
    try (TensorScope scope = TensorScope.open(name)) {
      Map<String, Tensor> golden = Goldens.tensors("field_table/io.safetensors");
      if (row.path("error").asText().equals("NoMatchingPeftModuleError")) {
        assertThrows(NoMatchingModulesException.class, () -> Base.open(row, golden).close());
        return;
      }
      try (Base base = Base.open(row, golden)) {
        PeftModel model = base.adapted();
        double gap = TinyOpt.gap(base.plain(), logits(face(base), row, golden));
        if (row.has("error")) { // OLoRA over Conv1D, which PEFT turns the wrong way
          assertTrue(gap < 1e-5, "a fresh adapter changes " + gap);
          return;
        }
        assertEquals(row.get("fresh").asBoolean(), gap < 1e-5, "a fresh adapter changes " + gap);
        assertPlaces(row, model);
        trained(model)
            .forEach(
                (key, parameter) ->
                    parameter.copyFrom(Goldens.value(key, parameter.tensor().shape().toArray())));
        Tensor expected = golden.get(name + ".logits");
        Goldens.assertClose(expected, logits(face(base), row, golden), tolerance(name), "logits");
        assertSaved(row, model, folder);
        if (!row.has("mergedGap")) {
          assertThrows(IllegalStateException.class, model::mergeAdapter);
          return;
        }
        model.mergeAdapter();
        Goldens.assertClose(
            expected, logits(face(base), row, golden), 8 * tolerance(name), "merged");
      }
    }
  }

  @Test
  void biasesThatPythonWritesTwiceAreRead() {
    String name = "bert LORA bias all";
    try (TensorScope scope = TensorScope.open(name);
        var base =
            AutoModelForSequenceClassification.fromPretrained(Goldens.path("bert_lora/base"));
        PeftModelForTask model =
            PeftModel.fromPretrained(
                base, Goldens.path("field_table/" + name.replace(' ', '_')), options -> {})) {
      Map<String, Tensor> golden = Goldens.tensors("field_table/io.safetensors");
      ModelInput input = ModelInput.builder().inputIds(golden.get("bert.input_ids")).build();
      model.eval();
      Goldens.assertClose(
          golden.get(name + ".logits"), model.forward(input).logits().orElseThrow(), FORWARD, name);
    }
  }

  /** The copy of a head of several layers: golden/roberta_bias_all. */
  @Test
  void biasesOfAHeadOfSeveralLayersAreReadToo() {
    Path folder = Goldens.path("roberta_bias_all");
    try (TensorScope scope = TensorScope.open("roberta");
        var base = AutoModelForSequenceClassification.fromPretrained(folder.resolve("base"));
        PeftModelForTask model =
            PeftModel.fromPretrained(base, folder.resolve("adapter"), options -> {})) {
      Map<String, Tensor> golden = Goldens.tensors("roberta_bias_all/io.safetensors");
      ModelInput input = ModelInput.builder().inputIds(golden.get("input_ids")).build();
      Goldens.assertClose(
          golden.get("logits"), model.forward(input).logits().orElseThrow(), FORWARD, "logits");
    }
  }

  /** Two singular value decompositions agree in less than all digits. */
  private static double tolerance(String name) {
    return name.contains("pissa") ? 10 * FORWARD : FORWARD;
  }

  private static PretrainedModel face(Base base) {
    return (PretrainedModel) base.adapted();
  }

  private static void assertPlaces(JsonNode row, PeftModel model) {
    Map<String, List<Long>> shapes = new TreeMap<>();
    trained(model)
        .forEach((key, value) -> shapes.put(key, Longs.asList(value.tensor().shape().toArray())));
    Map<String, List<Long>> expected = new TreeMap<>();
    row.get("trained")
        .properties()
        .forEach(
            entry -> {
              List<Long> sizes = new ArrayList<>();
              entry.getValue().forEach(size -> sizes.add(size.asLong()));
              expected.put(entry.getKey(), sizes);
            });
    assertEquals(expected, shapes);
    assertEquals(new TreeSet<>(Goldens.texts(row.get("targeted"))), new TreeSet<>(adapted(model)));
    row.get("layers")
        .properties()
        .forEach(
            entry -> {
              AdaptedLayer layer =
                  Objects.requireNonNull(model.tuned().layers().get(entry.getKey()));
              if (layer.adapters().get("default") instanceof ScaledAdapter adapter) {
                assertEquals(entry.getValue().get(1).asDouble(), adapter.scaling(), 1e-12);
              }
            });
  }

  /** Layers of the method, without tables of which only some rows are trained. */
  private static List<String> adapted(PeftModel model) {
    return model.tuned().layers().entrySet().stream()
        .filter(layer -> !layer.getValue().hasOnlyTokens())
        .map(Map.Entry::getKey)
        .toList();
  }

  private static void assertSaved(JsonNode row, PeftModel model, Path folder) {
    model.savePretrained(folder);
    try (WeightSource source = Safetensors.open(folder.resolve("adapter_model.safetensors"))) {
      assertEquals(savedKeys(row), new TreeSet<>(source.names()));
    }
    Map<String, Object> written =
        new TreeMap<>(Goldens.map(Goldens.json(folder.resolve("adapter_config.json"))));
    row.get("written")
        .properties()
        .forEach(
            entry ->
                assertEquals(
                    sorted(Goldens.plain(entry.getValue())),
                    sorted(written.get(entry.getKey())),
                    entry.getKey()));
  }

  private static Set<String> savedKeys(JsonNode row) {
    Set<String> result = new TreeSet<>();
    if (row.has("saved")) {
      result.addAll(Goldens.texts(row.get("saved")));
      result.removeIf(name -> name.contains(".modules_to_save.") || name.contains(".original_"));
      return result; // bias="all" also writes biases of the wrapper that PEFT has in memory
    }
    row.get("trained")
        .fieldNames()
        .forEachRemaining(
            name -> result.add(name.replace(".modules_to_save", "").replace(".default", "")));
    return result;
  }

  /** Lists that are sets in Python in one order, and what they name once. */
  private static @Nullable Object sorted(@Nullable Object value) {
    return value instanceof List<?> list && list.stream().allMatch(String.class::isInstance)
        ? list.stream().map(String::valueOf).distinct().sorted().toList()
        : value;
  }
}
