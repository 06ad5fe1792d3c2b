package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForMaskedLM;
import org.peftjava.transformers.AutoModelForQuestionAnswering;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.LoadOptions;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.model.Backbone;

/** Every architecture with every head, quantized while it is loaded, saved and loaded again. */
@ExtendWith(NoLeaks.class)
class QuantizedArchitecturesIT {
  @TempDir Path folder;

  /** One model folder, and what transformers would quantize of it. */
  record Row(String model, String className, Optional<List<String>> skipped, Set<String> layers) {
    static Row of(JsonNode json) {
      return new Row(
          json.get("folder").textValue(),
          json.get("class").textValue(),
          json.get("skipped").isNull()
              ? Optional.empty()
              : Optional.of(
                  StreamSupport.stream(json.get("skipped").spliterator(), false)
                      .map(JsonNode::textValue)
                      .toList()),
          new TreeSet<>(List.of(json.get("converted").textValue().split(" "))));
    }

    @Override
    public String toString() {
      return model + skipped.map(names -> " without " + names).orElse("");
    }
  }

  static Stream<Row> rows() {
    JsonNode rows = Golden.json(Golden.ROOT.resolve("quantized_layers.json")).get("rows");
    List<Row> result = new ArrayList<>();
    rows.forEach(row -> result.add(Row.of(row)));
    assertTrue(result.size() > 100, () -> "only " + result.size());
    return result.stream();
  }

  @ParameterizedTest
  @MethodSource("rows")
  void theLayersOfTransformersAreQuantizedSavedAndLoaded(Row row) {
    boolean eight = row.skipped.isPresent() && row.skipped.get().isEmpty();
    BitsAndBytesConfig.Builder builder =
        BitsAndBytesConfig.builder()
            .loadIn4bit(!eight)
            .loadIn8bit(eight)
            .bnb4bitQuantType(QuantType.NF4)
            .bnb4bitUseDoubleQuant(true);
    row.skipped.ifPresent(builder::llmInt8SkipModules);
    try (TensorScope scope = TensorScope.open("model");
        PretrainedModel model =
            load(row, Golden.ROOT.resolve(row.model), o -> o.quantizationConfig(builder.build()))) {
      assertEquals(expected(row, model.module()), quantized(model.module()));
      model.savePretrained(folder);
      try (PretrainedModel again = load(row, folder, o -> {})) {
        assertEquals(quantized(model.module()), quantized(again.module()));
        assertSameState(model.module(), again.module());
      }
      model.dequantize();
      assertFalse(model.isLoadedIn4bit() || model.isLoadedIn8bit());
      model.savePretrained(folder.resolve("dense"));
      try (PretrainedModel again = load(row, folder.resolve("dense"), o -> {})) {
        assertSameState(model.module(), again.module());
      }
    }
    JsonNode config = Golden.json(folder.resolve("config.json")).get("quantization_config");
    assertEquals(eight, config.get("load_in_8bit").booleanValue());
  }

  /**
   * What transformers quantizes, but for heads, which stay dense here unless a list says otherwise,
   * and for weights that are shared.
   */
  private static Set<String> expected(Row row, Module model) {
    Set<String> result = new TreeSet<>(row.layers);
    if (row.skipped.isEmpty()) {
      model
          .children()
          .forEach(
              (name, child) -> {
                if (child instanceof Backbone) {
                  result.removeIf(path -> !path.startsWith(name + "."));
                }
              });
    }
    Map<String, Parameter> state = model.namedState();
    result.removeIf(
        path -> {
          Parameter weight = state.get(path + ".weight");
          return state.values().stream().filter(other -> other == weight).count() > 1;
        });
    return result;
  }

  private static void assertSameState(Module expected, Module actual) {
    Map<String, Parameter> state = actual.namedState();
    assertEquals(expected.namedState().keySet(), state.keySet());
    expected
        .namedState()
        .forEach(
            (name, parameter) ->
                assertArrayEquals(
                    parameter.tensor().toBytes(), state.get(name).tensor().toBytes(), name));
  }

  private static Set<String> quantized(Module model) {
    Set<String> result = new TreeSet<>();
    model
        .namedModules()
        .forEach(
            (path, module) -> {
              if (module instanceof QuantizedLinear) {
                result.add(path);
              }
            });
    return result;
  }

  private static PretrainedModel load(Row row, Path folder, Consumer<LoadOptions.Builder> options) {
    String name = row.className;
    if (name.endsWith("ForSequenceClassification")) {
      return AutoModelForSequenceClassification.fromPretrained(folder, options);
    } else if (name.endsWith("ForTokenClassification")) {
      return AutoModelForTokenClassification.fromPretrained(folder, options);
    } else if (name.endsWith("ForQuestionAnswering")) {
      return AutoModelForQuestionAnswering.fromPretrained(folder, options);
    } else if (name.endsWith("ForMaskedLM")) {
      return AutoModelForMaskedLM.fromPretrained(folder, options);
    } else if (name.endsWith("ForConditionalGeneration")) {
      return AutoModelForSeq2SeqLM.fromPretrained(folder, options);
    } else if (name.endsWith("Model") && !name.endsWith("LMHeadModel")) {
      return AutoModel.fromPretrained(folder, options);
    }
    return AutoModelForCausalLM.fromPretrained(folder, options);
  }
}
