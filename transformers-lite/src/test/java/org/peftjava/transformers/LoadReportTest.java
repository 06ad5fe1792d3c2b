package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * What is said of weights that are missing, unexpected or of another shape, for one file and for
 * shards.
 */
class LoadReportTest {
  private static final long ONE_FILE = 1 << 30;
  private static final long SHARDS = 3000;
  private static final Path BERT = Goldens.folder("heads_bert").resolve("sequence");
  private static final String QUERY = "bert.encoder.layer.1.attention.self.query.weight";

  @TempDir private Path temporary;
  private long liveBefore;

  @BeforeEach
  void count() {
    liveBefore = TensorLedger.liveTensors();
  }

  @AfterEach
  void nothingIsLeft() {
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  private void write(long shardSize, Consumer<Map<String, Tensor>> change) {
    try (TensorScope scope = TensorScope.open("write");
        WeightSource source = Checkpoints.open(BERT)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      source.names().forEach(name -> tensors.put(name, source.tensor(name)));
      change.accept(tensors);
      Checkpoints.write(temporary, tensors, shardSize);
      Files.copy(BERT.resolve("config.json"), temporary.resolve("config.json"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    assertEquals(
        shardSize == SHARDS, Files.exists(temporary.resolve("model.safetensors.index.json")));
  }

  private SequenceClassification load(boolean ignoreMismatchedSizes) {
    return AutoModelForSequenceClassification.fromPretrained(
        temporary, o -> o.ignoreMismatchedSizes(ignoreMismatchedSizes));
  }

  /** Every weight but these has the file's values, and these have some. */
  private static void assertLoaded(SequenceClassification model, List<String> fresh) {
    try (TensorScope scope = TensorScope.open("test");
        WeightSource source = Checkpoints.open(BERT)) {
      Map<String, Parameter> state = model.namedState();
      source
          .names()
          .forEach(
              name -> {
                Parameter parameter = state.get(name);
                assertTrue(parameter != null && parameter.isMaterialized(), name);
                if (!fresh.contains(name)) {
                  assertClose(source.tensor(name), parameter.tensor().detach(), 0);
                }
              });
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {ONE_FILE, SHARDS})
  void unexpectedWeightsAreLeft(long shardSize) {
    write(shardSize, tensors -> tensors.put("other.weight", Creation.ones(DType.FLOAT32, 3)));
    try (SequenceClassification model = load(false)) {
      assertLoaded(model, List.of());
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {ONE_FILE, SHARDS})
  void aMissingHeadIsNew(long shardSize) {
    write(shardSize, tensors -> tensors.remove("classifier.weight"));
    try (SequenceClassification model = load(false)) {
      assertLoaded(model, List.of("classifier.weight"));
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {ONE_FILE, SHARDS})
  void aMissingBackboneWeightIsAnError(long shardSize) {
    write(shardSize, tensors -> tensors.remove(QUERY));
    assertRefused(QUERY + " [16, 16] is missing");
  }

  @ParameterizedTest
  @ValueSource(longs = {ONE_FILE, SHARDS})
  void otherShapesAreErrorsUnlessIgnored(long shardSize) {
    write(
        shardSize,
        tensors -> {
          tensors.put(QUERY, Creation.ones(DType.FLOAT32, 8, 16));
          tensors.put("classifier.bias", Creation.ones(DType.FLOAT32, 7));
        });
    assertRefused(QUERY + " is [8, 16] in the file, [16, 16] expected");
    assertRefused("classifier.bias is [7] in the file, [3] expected");
    try (SequenceClassification model = load(true)) {
      assertLoaded(model, List.of(QUERY, "classifier.bias"));
    }
  }

  @TestFactory
  List<DynamicTest> reportsArePythons() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : new ObjectMapper().readTree(Goldens.folder("load_reports.json").toFile())) {
      String name = row.get("folder").textValue() + " " + row.get("head").textValue();
      tests.add(DynamicTest.dynamicTest(name, () -> check(row)));
    }
    return tests;
  }

  private void check(JsonNode row) throws IOException {
    Path folder = Goldens.folder(row.get("folder").textValue());
    if (!row.get("extra").isEmpty()) {
      write(
          ONE_FILE,
          tensors ->
              row.get("extra")
                  .forEach(name -> tensors.put(name.textValue(), Creation.ones(DType.FLOAT32, 1))));
      folder = temporary;
    }
    List<LoadingInfo> told = new ArrayList<>();
    load(folder, row.get("head").textValue(), row.get("labels").intValue(), told).close();
    assertEquals(1, told.size());
    LoadingInfo info = told.get(0);
    assertEquals(sorted(row.get("missing")), sorted(info.missingKeys()), "missing");
    assertEquals(sorted(row.get("unexpected")), sorted(info.unexpectedKeys()), "unexpected");
    List<String> mismatched = new ArrayList<>();
    info.mismatchedKeys()
        .forEach(
            (key, shapes) -> mismatched.add(key + " " + shapes.inFile() + " " + shapes.inModule()));
    List<String> expected = new ArrayList<>();
    for (JsonNode each : row.get("mismatched")) {
      expected.add(
          (each.get(0).textValue() + " " + each.get(1) + " " + each.get(2)).replace(",", ", "));
    }
    assertEquals(expected, sorted(mismatched));
    if (row.has("report")) {
      List<String> lines = new ArrayList<>(List.of(info.report().orElse("").split("\n", -1)));
      if (row.get("report").isNull()) {
        assertEquals(List.of(""), lines);
        return;
      }
      List<String> golden = new ArrayList<>();
      row.get("report").forEach(line -> golden.add(line.textValue()));
      golden.remove(0); // the class and the folder
      int end = golden.indexOf("");
      assertEquals(sorted(golden.subList(0, end)), sorted(lines.subList(0, end)));
      assertEquals(golden.subList(end, golden.size()), lines.subList(end, lines.size()));
    }
  }

  private static CheckpointModel load(
      Path folder, String head, int labels, List<LoadingInfo> told) {
    Consumer<LoadOptions.Builder> options =
        o -> o.numLabels(labels).ignoreMismatchedSizes(true).outputLoadingInfo(told::add);
    return switch (head) {
      case "base" -> AutoModel.fromPretrained(folder, options);
      case "masked_lm" -> AutoModelForMaskedLM.fromPretrained(folder, options);
      case "sequence" -> AutoModelForSequenceClassification.fromPretrained(folder, options);
      case "token" -> AutoModelForTokenClassification.fromPretrained(folder, options);
      case "span" -> AutoModelForQuestionAnswering.fromPretrained(folder, options);
      default -> AutoModelForCausalLM.fromPretrained(folder, options);
    };
  }

  private static List<String> sorted(JsonNode names) {
    List<String> list = new ArrayList<>();
    names.forEach(name -> list.add(name.textValue()));
    return sorted(list);
  }

  private static List<String> sorted(List<String> names) {
    return names.stream().sorted().toList();
  }

  private void assertRefused(String part) {
    String message = assertThrows(IllegalArgumentException.class, () -> load(false)).getMessage();
    assertTrue(message.contains(part), message);
  }
}
