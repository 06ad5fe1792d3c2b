package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.config.PythonJson;

/** What a Python script calls on a trainer: which model is best, what is printed, where it goes. */
class TrainerVerbsTest extends TrainingRuns {
  private static boolean greaterIsBetter(String metric) {
    return TrainingArguments.builder().metricForBestModel(metric).build().greaterIsBetter();
  }

  /** As in training_args.py: a metric is a gain unless it is called a loss. */
  @Test
  void theNameOfAMetricTellsWhatIsBetter() {
    assertTrue(greaterIsBetter("accuracy"));
    assertTrue(greaterIsBetter("eval_f1"));
    assertFalse(greaterIsBetter("loss"));
    assertFalse(greaterIsBetter("eval_loss"));
    assertFalse(greaterIsBetter("eval_perplexity"));
    assertFalse(TrainingArguments.builder().build().greaterIsBetter());
    TrainingArguments.Builder error = TrainingArguments.builder().metricForBestModel("error");
    assertFalse(error.greaterIsBetter(false).build().greaterIsBetter());
    assertTrue(error.metricForBestModel("loss").greaterIsBetter(true).build().greaterIsBetter());
  }

  /** Nobody said greaterIsBetter(true): the evaluation with the highest score wins. */
  @Test
  void theBestModelHasTheHighestScore() {
    double[] scores = {0.2, 0.9, 0.5};
    AtomicInteger evaluations = new AtomicInteger();
    try (CausalLM model = TinyModels.opt(0)) {
      TrainingArguments args =
          arguments()
              .evalStrategy(IntervalStrategy.STEPS)
              .evalSteps(3)
              .saveSteps(3)
              .loadBestModelAtEnd(true)
              .metricForBestModel("score")
              .build();
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(args)
              .trainDataset(DATA)
              .evalDataset(DATA)
              .computeMetrics(p -> Map.of("score", scores[evaluations.getAndIncrement() % 3]))
              .build();
      trainer.train();
      assertEquals(0.9, trainer.state().bestMetric().orElseThrow());
      assertEquals(6, trainer.state().bestGlobalStep().orElseThrow());
    }
  }

  /** Printed by Python 3.11 with the format .4g. */
  @Test
  void numbersHaveFourDigits() {
    Map<Double, String> printed =
        Map.ofEntries(
            Map.entry(6.749729, "6.75"),
            Map.entry(0.29914, "0.2991"),
            Map.entry(2.4471741852423234e-4, "0.0002447"),
            Map.entry(1234.56, "1235"),
            Map.entry(12345.6, "1.235e+04"),
            Map.entry(99995.0, "1e+05"),
            Map.entry(9999.5, "1e+04"),
            Map.entry(1e-5, "1e-05"),
            Map.entry(0.00012345, "0.0001234"),
            Map.entry(1.5e-120, "1.5e-120"),
            Map.entry(100.0, "100"),
            Map.entry(0.99996, "1"),
            Map.entry(-3.14159, "-3.142"),
            Map.entry(9.9996e-05, "0.0001"),
            Map.entry(0.12345, "0.1235"),
            Map.entry(1024.5, "1024"),
            Map.entry(0.0, "0"),
            Map.entry(Double.NaN, "nan"),
            Map.entry(Double.NEGATIVE_INFINITY, "-inf"));
    printed.forEach((value, text) -> assertEquals(text, LogText.number(value)));
  }

  @Test
  void logLinesArePrintedAsInPython() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          trainer(model, arguments().saveStrategy(SaveStrategy.NO).maxSteps(2).build());
      PrinterCallback printer = new PrinterCallback(out);
      trainer.addCallback(printer);
      TrainOutput output = trainer.train();
      trainer.removeCallback(printer);
      trainer.train();
      assertEquals(
          List.of("train_runtime", "train_samples_per_second"),
          new ArrayList<>(output.metrics().keySet()).subList(0, 2));
      assertEquals(2 / 3.0, output.metrics().get("epoch"), 1e-12);
    }
    String[] lines = bytes.toString(StandardCharsets.UTF_8).split("\\R", -1);
    assertEquals(3, lines.length, () -> bytes.toString(StandardCharsets.UTF_8));
    assertTrue(
        lines[0].matches(
            "\\{'loss': '[0-9.]+', 'grad_norm': '[0-9.]+', 'learning_rate': '0[0-9.e-]*', 'epoch':"
                + " '0.6667'}"),
        lines[0]);
    assertTrue(lines[1].startsWith("{'train_runtime': '"), lines[1]);
  }

  /** Printed and written by transformers 5.17's log_metrics and save_metrics. */
  @Test
  void metricsAreATableAndFiles() {
    Map<String, Double> train =
        Map.of(
            "train_runtime", 3725.8191,
            "train_samples_per_second", 104.99147736603956,
            "train_loss", 6.731147527694702,
            "epoch", 2.0,
            "train_steps_per_second", 0.00004,
            "x", 12345678.25);
    assertEquals(
        """
        ***** train metrics *****
          epoch                    =         2.0
          train_loss               =      6.7311
          train_runtime            =  1:02:05.81
          train_samples_per_second =    104.9915
          train_steps_per_second   =         0.0
          x                        = 12345678.25\
        """,
        MetricsReport.table("train", train));
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer = trainer(model, arguments().build());
      trainer.saveMetrics("train", train);
      trainer.saveMetrics("eval", Map.of("eval_loss", 6.71456, "epoch", 3.0));
    }
    assertEquals(
        PythonJson.parse(
            """
            {"epoch": 3.0, "eval_loss": 6.71456, "train_loss": 6.731147527694702,
             "train_runtime": 3725.8191, "train_samples_per_second": 104.99147736603956,
             "train_steps_per_second": 4e-05, "x": 12345678.25}\
            """,
            folder),
        PythonJson.read(folder.resolve("all_results.json"), 1 << 20));
    assertEquals(
        PythonJson.parse("{\"epoch\": 3.0, \"eval_loss\": 6.71456}", folder),
        PythonJson.read(folder.resolve("eval_results.json"), 1 << 20));
    assertEquals(
        2.0,
        PythonJson.read(folder.resolve("train_results.json"), 1 << 20).get("epoch").asDouble());
  }

  @Test
  void trainGoesOnFromACheckpointThatItIsGiven() {
    Map<String, float[]> weights;
    try (CausalLM model = TinyModels.opt(0)) {
      trainer(model, arguments().build()).train();
      weights = TinyModels.weights(model);
    }
    for (boolean newest : new boolean[] {true, false}) {
      try (CausalLM model = TinyModels.opt(0)) {
        Trainer trainer = trainer(model, arguments().build());
        TrainOutput output =
            newest
                ? trainer.train(folder)
                : trainer.train(folder.resolve("checkpoint-5").toString());
        assertEquals(9, output.globalStep());
        TinyModels.weights(model)
            .forEach((name, values) -> assertArrayEquals(weights.get(name), values, name));
      }
    }
  }

  @Test
  void metricsGetAPrefixAndTheEpoch() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          trainer(model, arguments().saveStrategy(SaveStrategy.NO).maxSteps(3).build());
      trainer.train();
      Map<String, Double> test = trainer.evaluate(DATA, "test");
      Map<String, Double> eval = trainer.evaluate();
      assertEquals(eval.get("eval_loss"), test.get("test_loss"));
      assertEquals(1.0, test.get("epoch"));
      assertTrue(test.keySet().stream().allMatch(n -> n.startsWith("test_") || n.equals("epoch")));
      Map<String, Double> predicted = trainer.predict(DATA, "predict").metrics();
      assertEquals(eval.get("eval_loss"), predicted.get("predict_loss"));
    }
  }

  @Test
  void theModelIsSavedToTheOutputFolder() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer = trainer(model, arguments().saveStrategy(SaveStrategy.NO).build());
      trainer.saveModel();
      trainer.saveModel(folder.resolve("other").toString());
      assertTrue(Files.exists(folder.resolve("model.safetensors")));
      assertTrue(Files.exists(folder.resolve("other").resolve("model.safetensors")));
    }
  }
}
