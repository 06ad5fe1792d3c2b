package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
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
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.transformers.AutoModelForMaskedLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.MaskedLM;

/** When the Trainer evaluates and saves, what it logs and what checkpoints hold: as Python's. */
class TrainFlowTest extends TrainingRuns {
  private static final Path MODEL = Goldens.folder("train_heads/masked_lm");

  @TestFactory
  List<DynamicTest> runsArePythons() throws IOException {
    JsonNode golden = new ObjectMapper().readTree(Goldens.folder("train_flow.json").toFile());
    List<Example> rows = new ArrayList<>();
    golden
        .get("rows")
        .forEach(r -> rows.add(new Example(longs(r.get("input_ids")), longs(r.get("labels")))));
    List<DynamicTest> tests = new ArrayList<>();
    golden
        .get("runs")
        .properties()
        .forEach(
            run ->
                tests.add(
                    DynamicTest.dynamicTest(
                        run.getKey(),
                        () -> check(run.getValue(), rows, folder.resolve(run.getKey())))));
    assertEquals(11, tests.size());
    return tests;
  }

  private static void check(JsonNode run, List<Example> rows, Path out) throws IOException {
    List<Integer> evaluated = new ArrayList<>();
    try (MaskedLM model = AutoModelForMaskedLM.fromPretrained(MODEL)) {
      Trainer.Builder builder =
          Trainer.builder()
              .model(model)
              .args(arguments(run.get("arguments"), out))
              .trainDataset(Dataset.of(rows.subList(0, 10)))
              .callbacks(
                  new TrainerCallback() {
                    @Override
                    public void onEvaluate(TrainingProgress progress, Map<String, Double> metrics) {
                      evaluated.add(progress.state().globalStep());
                    }
                  });
      Map<String, Dataset> datasets = datasets(run.get("datasets"), rows);
      if (datasets.containsKey("")) {
        builder.evalDataset(datasets.get(""));
      } else {
        builder.evalDataset(datasets);
      }
      if (run.get("arguments").has("patience")) {
        builder.callbacks(new EarlyStoppingCallback(run.get("arguments").get("patience").asInt()));
      }
      Trainer trainer = builder.build();
      trainer.train();
      assertEquals(longs(run.get("evaluated")).length, evaluated.size());
      for (int i = 0; i < evaluated.size(); i++) {
        assertEquals(run.get("evaluated").get(i).asInt(), evaluated.get(i));
      }
      checkHistory(run.get("log_history"), trainer.state().logHistory());
      checkCheckpoints(run.get("checkpoints"), out);
      Map<String, Double> metrics = trainer.evaluate();
      run.get("final")
          .properties()
          .forEach(
              loss -> assertEquals(loss.getValue().asDouble(), metrics.get(loss.getKey()), 2e-4));
    }
  }

  /** The lines, their names in order, and their numbers. */
  private static void checkHistory(JsonNode expected, List<Map<String, Double>> history) {
    assertEquals(expected.size(), history.size(), history::toString);
    for (int i = 0; i < history.size(); i++) {
      JsonNode line = expected.get(i);
      Map<String, Double> actual = new LinkedHashMap<>(history.get(i));
      actual
          .keySet()
          .removeIf(
              name ->
                  name.endsWith("_runtime")
                      || name.endsWith("_per_second")
                      || name.equals("train_peak_memory_bytes"));
      List<String> names = new ArrayList<>();
      line.fieldNames().forEachRemaining(names::add);
      assertEquals(names, new ArrayList<>(actual.keySet()));
      actual.forEach(
          (name, value) -> {
            double wanted = line.get(name).asDouble();
            boolean exact = List.of("epoch", "step", "learning_rate").contains(name);
            assertEquals(
                wanted, value, exact ? 1e-12 : 1e-4 * (1 + wanted), () -> name + " of " + line);
          });
    }
  }

  private static void checkCheckpoints(JsonNode expected, Path out) throws IOException {
    Map<String, JsonNode> checkpoints = new TreeMap<>();
    expected.properties().forEach(entry -> checkpoints.put(entry.getKey(), entry.getValue()));
    assertEquals(new ArrayList<>(checkpoints.keySet()), Files.exists(out) ? names(out) : List.of());
    for (Map.Entry<String, JsonNode> checkpoint : checkpoints.entrySet()) {
      Path folder = out.resolve(checkpoint.getKey());
      List<String> files = new ArrayList<>();
      checkpoint.getValue().get("files").forEach(file -> files.add(file.asText()));
      List<String> model = List.of("config.json", "model.safetensors", "trainer_state.json");
      assertTrue(
          files.containsAll(model) && names(folder).containsAll(model), names(folder)::toString);
      boolean resumes = files.contains("optimizer.pt");
      assertEquals(resumes, names(folder).contains("optimizer.safetensors"));
      assertEquals(resumes, !TrainingSnapshot.isModelOnly(folder));
      JsonNode state = new ObjectMapper().readTree(folder.resolve("trainer_state.json").toFile());
      assertEquals(
          checkpoint.getValue().get("log_history").asInt(), state.get("log_history").size());
      for (Map.Entry<String, JsonNode> field : checkpoint.getValue().get("state").properties()) {
        JsonNode wanted = field.getValue();
        JsonNode actual = state.get(field.getKey());
        if (wanted.isNumber()) {
          assertEquals(wanted.asDouble(), actual.asDouble(), 5e-4, field.getKey());
        } else {
          assertEquals(wanted.isNull(), actual.isNull(), field.getKey());
          assertTrue(actual.asText().endsWith(wanted.asText()), actual::asText);
        }
      }
    }
  }

  private static TrainingArguments arguments(JsonNode given, Path out) {
    TrainingArguments.Builder builder =
        TrainingArguments.builder()
            .outputDir(out)
            .perDeviceTrainBatchSize(2)
            .numTrainEpochs(2.4)
            .learningRate(2)
            .optim(OptimizerNames.SGD)
            .trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)
            .loggingSteps(given.path("logging_steps").asInt(4))
            .evalOnStart(given.path("eval_on_start").asBoolean())
            .evalDelay(given.path("eval_delay").asDouble())
            .evalStrategy(IntervalStrategy.valueOf(name(given, "eval_strategy", "no")))
            .evalSteps(given.path("eval_steps").asInt())
            .saveStrategy(SaveStrategy.valueOf(name(given, "save_strategy", "no")))
            .saveSteps(given.path("save_steps").asInt(500))
            .saveTotalLimit(given.path("save_total_limit").asInt())
            .saveOnlyModel(given.path("save_only_model").asBoolean())
            .loadBestModelAtEnd(given.path("load_best_model_at_end").asBoolean())
            .lrSchedulerType(SchedulerType.valueOf(name(given, "lr_scheduler_type", "linear")));
    if (given.has("metric_for_best_model")) {
      builder.metricForBestModel(given.get("metric_for_best_model").asText());
    }
    Map<String, Number> settings = new LinkedHashMap<>();
    given
        .path("lr_scheduler_kwargs")
        .properties()
        .forEach(entry -> settings.put(entry.getKey(), entry.getValue().numberValue()));
    return builder.lrSchedulerKwargs(settings).build();
  }

  private static String name(JsonNode given, String field, String other) {
    return given.path(field).asText(other).toUpperCase(Locale.ROOT);
  }

  private static Map<String, Dataset> datasets(JsonNode given, List<Example> rows) {
    Map<String, Dataset> datasets = new LinkedHashMap<>();
    given
        .properties()
        .forEach(
            entry ->
                datasets.put(
                    entry.getKey(),
                    Dataset.of(
                        IntStream.range(0, entry.getValue().size())
                            .mapToObj(i -> rows.get(entry.getValue().get(i).asInt()))
                            .toList())));
    return datasets;
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }
}
