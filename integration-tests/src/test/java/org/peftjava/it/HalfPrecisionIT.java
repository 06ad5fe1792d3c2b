package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.PeftModel;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForMaskedLM;
import org.peftjava.transformers.AutoModelForQuestionAnswering;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;

/**
 * Encoders and T5 in bfloat16 and float16 beside the real transformers and PEFT: outputs, loss and
 * the gradients of a LoRA step.
 *
 * <p>Both sides round; so each tensor is compared with the one of float64 and the same weights: on
 * the whole, it must be about as near as Python's.
 */
@ExtendWith(NoLeaks.class)
class HalfPrecisionIT {
  private static final Path FOLDER = Golden.ROOT.resolve("half_precision");
  private static final String GRADIENT = "grad.";
  private static final double EACH_FURTHER = 3;
  private static final double ALL_FURTHER = 1.3;

  /** What one rounding of a whole tensor may cost. */
  private static final Map<DType, Double> ROUNDING =
      Map.of(DType.BFLOAT16, 4e-3, DType.FLOAT16, 5e-4);

  private static TensorScope scope;
  private static Golden golden;

  @BeforeAll
  static void open() {
    scope = TensorScope.open("golden");
    golden = Golden.open("half_precision");
  }

  @AfterAll
  static void close() {
    scope.close();
  }

  static Stream<Arguments> cases() {
    List<Arguments> cases = new ArrayList<>();
    Golden.json(FOLDER.resolve("case.json"))
        .get("cases")
        .fieldNames()
        .forEachRemaining(
            name ->
                List.of(DType.BFLOAT16, DType.FLOAT16)
                    .forEach(dtype -> cases.add(Arguments.of(name, dtype))));
    assertTrue(cases.size() >= 30);
    return cases.stream();
  }

  private static PretrainedModel load(JsonNode facts, DType dtype) {
    Path folder = Golden.ROOT.resolve(facts.get("model").textValue());
    return switch (facts.get("head").textValue()) {
      case "base" -> AutoModel.fromPretrained(folder, options -> options.dtype(dtype));
      case "masked_lm" ->
          AutoModelForMaskedLM.fromPretrained(folder, options -> options.dtype(dtype));
      case "sequence" ->
          AutoModelForSequenceClassification.fromPretrained(
              folder, options -> options.dtype(dtype));
      case "token" ->
          AutoModelForTokenClassification.fromPretrained(folder, options -> options.dtype(dtype));
      case "span" ->
          AutoModelForQuestionAnswering.fromPretrained(folder, options -> options.dtype(dtype));
      default -> AutoModelForSeq2SeqLM.fromPretrained(folder, options -> options.dtype(dtype));
    };
  }

  private static void measured(PeftModel model, PretrainedModel called, String name, DType dtype) {
    model.eval();
    ModelOutput output = called.forward(input(name));
    Map<String, Tensor> values = new LinkedHashMap<>();
    output.logits().ifPresent(value -> values.put("logits", value));
    output.startLogits().ifPresent(value -> values.put("start_logits", value));
    output.endLogits().ifPresent(value -> values.put("end_logits", value));
    output.lastHiddenState().ifPresent(value -> values.put("last_hidden_state", value));
    output.loss().ifPresent(value -> values.put("loss", value));
    output.loss().orElseGet(() -> sum(output.lastHiddenState().orElseThrow())).backward();
    for (Map.Entry<String, Parameter> entry : LoraCase.trainable(model).entrySet()) {
      Tensor gradient = entry.getValue().tensor().grad().orElseThrow();
      values.put(GRADIENT + pythonName(entry.getKey()), gradient);
    }
    String start = name + "." + dtype.name().toLowerCase(Locale.ROOT) + ".";
    Map<String, Double> far = new TreeMap<>();
    double usual = pythonsGradients(start);
    double ours = 0;
    double pythons = 0;
    int compared = 0;
    for (String key : golden.keys()) {
      if (key.startsWith(start + "exact.")) {
        String plain = key.substring((start + "exact.").length());
        Tensor actual = values.get(plain);
        assertNotNull(actual, () -> plain + " is missing");
        Tensor python = golden.get(start + plain);
        if (!plain.equals("loss")) { // ours is float32
          assertEquals(python.dtype(), actual.dtype(), plain);
        }
        double pythonDistance = distance(python, golden.get(key));
        double distance = distance(actual, golden.get(key));
        double scale =
            plain.startsWith(GRADIENT) ? Math.max(usual, pythonDistance) : pythonDistance;
        double allowed = EACH_FURTHER * scale + ROUNDING.get(dtype);
        ours += distance;
        pythons += pythonDistance;
        if (!(distance <= allowed)) {
          far.put(plain + " " + distance + " > " + allowed, distance);
        }
        compared++;
      }
    }
    assertTrue(compared > 8, "compared " + compared);
    assertTrue(far.isEmpty(), () -> String.join("\n", far.keySet()));
    double allAllowed = ALL_FURTHER * pythons + compared * ROUNDING.get(dtype);
    assertTrue(ours <= allAllowed, ours + " is far beyond " + pythons);
    model.zeroGrad();
  }

  /**
   * How far Python's gradients of a case are off on average. A gradient of few numbers is nearer or
   * further by chance, and a card, which rounds sums elsewhere, draws another lot.
   */
  private static double pythonsGradients(String start) {
    String exact = start + "exact.";
    return golden.keys().stream()
        .filter(key -> key.startsWith(exact + GRADIENT))
        .mapToDouble(
            key -> distance(golden.get(start + key.substring(exact.length())), golden.get(key)))
        .average()
        .orElseThrow();
  }

  /** Python copies RoBERTa's classifier whole, we the layers in it. */
  private static String pythonName(String parameter) {
    return parameter.replaceFirst(
        "classifier\\.(dense|out_proj)\\.(modules_to_save\\.default)", "classifier.$2.$1");
  }

  /** The same as the generator's: something to learn from without a head. */
  private static Tensor sum(Tensor hidden) {
    int count = (int) hidden.numel();
    double[] weights =
        IntStream.range(0, count).mapToDouble(i -> -1 + 2.0 * i / (count - 1)).toArray();
    return hidden
        .to(DType.FLOAT32)
        .reshape(count)
        .mul(Creation.ofFloats(floats(weights), count).to(hidden.device()))
        .sum();
  }

  private static float[] floats(double[] values) {
    float[] result = new float[values.length];
    for (int i = 0; i < result.length; i++) {
      result[i] = (float) values[i];
    }
    return result;
  }

  private static double distance(Tensor actual, Tensor exact) {
    assertEquals(exact.shape(), actual.shape());
    float[] a = actual.toFloats();
    float[] e = exact.toFloats();
    double square = 0;
    double size = 0;
    for (int i = 0; i < a.length; i++) {
      square += Math.pow((double) a[i] - e[i], 2);
      size += Math.pow(e[i], 2);
    }
    return Math.sqrt(square / size);
  }

  private static ModelInput input(String name) {
    String in = name + ".in.";
    ModelInput.Builder input =
        ModelInput.builder()
            .inputIds(golden.get(in + "input_ids"))
            .attentionMask(golden.get(in + "attention_mask"))
            .outputLogits(true);
    if (golden.has(in + "token_type_ids")) {
      input.tokenTypeIds(golden.get(in + "token_type_ids"));
    }
    if (golden.has(in + "labels")) {
      input.labels(golden.get(in + "labels"));
    }
    if (golden.has(in + "start_positions")) {
      input
          .startPositions(golden.get(in + "start_positions"))
          .endPositions(golden.get(in + "end_positions"));
    }
    return input.build();
  }

  static Stream<String> names() {
    return cases().map(arguments -> (String) arguments.get()[0]).distinct();
  }

  @ParameterizedTest
  @MethodSource("names")
  void savedWeightsArePythons(String name, @TempDir Path saved) throws IOException {
    Path adapter = FOLDER.resolve(name);
    try (PretrainedModel base = load(golden.facts().get("cases").get(name), DType.FLOAT32);
        PeftModel model = PeftModel.fromPretrained(base.module(), adapter, options -> {})) {
      model.savePretrained(saved);
      String weights = "adapter_model.safetensors";
      assertArrayEquals(
          Files.readAllBytes(adapter.resolve(weights)), Files.readAllBytes(saved.resolve(weights)));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void asNearToTheTruthAsPython(String name, DType dtype) {
    try (TensorScope inner = TensorScope.openGraph(name);
        PretrainedModel base = load(golden.facts().get("cases").get(name), dtype)) {
      quiet(base);
      Path adapter = FOLDER.resolve(name);
      if (base instanceof Seq2SeqLM text) {
        assertKeptInFloat32(text, dtype);
        try (var model = PeftModel.fromPretrained(text, adapter, o -> o.isTrainable(true))) {
          measured(model, model, name, dtype);
        }
      } else if (base instanceof TaskModel task) {
        try (var model = PeftModel.fromPretrained(task, adapter, o -> o.isTrainable(true))) {
          measured(model, model, name, dtype);
        }
      } else {
        try (var model =
            PeftModel.fromPretrained(base.module(), adapter, o -> o.isTrainable(true))) {
          measured(model, base, name, dtype);
        }
      }
    }
  }

  /** As the generator does: else rounding decides whom attention chooses. */
  private static void quiet(PretrainedModel model) {
    try (GradMode off = GradMode.noGrad()) {
      model
          .module()
          .namedParameters()
          .forEach(
              (key, parameter) -> {
                if (parameter.shape().rank() > 1) {
                  parameter.tensor().mulInPlace(key.endsWith("Attention.q.weight") ? 0.125 : 0.5);
                }
              });
    }
  }

  /** T5's second product stays in float32 where the rest is float16, not where it is bfloat16. */
  private static void assertKeptInFloat32(Seq2SeqLM model, DType dtype) {
    model
        .namedState()
        .forEach(
            (key, weight) -> {
              boolean kept = key.contains(".wo.") && dtype == DType.FLOAT16;
              assertEquals(kept ? DType.FLOAT32 : dtype, weight.dtype(), key);
            });
  }
}
