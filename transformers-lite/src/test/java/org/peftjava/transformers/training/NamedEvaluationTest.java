package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.CausalLM;

/** Evaluation datasets by name, and evaluations before the first step: names, errors, callbacks. */
class NamedEvaluationTest extends TrainingRuns {
  private static final Dataset FIRST = Dataset.of(TinyModels.counting(3));
  private static final Dataset REST = Dataset.of(TinyModels.counting(11).subList(3, 11));

  private static Map<String, Dataset> both() {
    Map<String, Dataset> datasets = new LinkedHashMap<>();
    datasets.put("rest", REST);
    datasets.put("first", FIRST);
    return datasets;
  }

  private static Trainer.Builder builder(CausalLM model, TrainingArguments args) {
    return Trainer.builder().model(model).args(args).trainDataset(DATA).evalDataset(both());
  }

  @Test
  void metricsHaveTheNames() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          builder(model, arguments().build())
              .computeMetrics(p -> Map.of("rows", (double) p.labelIds().length))
              .build();
      Map<String, Double> metrics = trainer.evaluate();
      assertEquals(trainer.evaluate(FIRST).get("eval_loss"), metrics.get("eval_first_loss"));
      assertEquals(trainer.evaluate(REST).get("eval_loss"), metrics.get("eval_rest_loss"));
      assertEquals(3, metrics.get("eval_first_rows"));
      assertEquals(8, metrics.get("eval_rest_rows"));
      assertEquals(0, metrics.get("epoch"));
      assertFalse(metrics.containsKey("eval_loss"));
      assertTrue(new ArrayList<>(metrics.keySet()).get(0).startsWith("eval_rest_"));
      assertEquals(4, trainer.state().logHistory().size(), "a line for each");
      Map<String, Double> others = trainer.evaluate(Map.of("one", FIRST), "test");
      assertEquals(metrics.get("eval_first_loss"), others.get("test_one_loss"));
      assertTrue(trainer.evaluate(Map.of("one", FIRST)).containsKey("eval_one_perplexity"));
    }
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeTraining() {
    assertProblem("Evaluation datasets by name need at least one", b -> b.evalDataset(Map.of()));
    assertProblem("no empty name, got names []", b -> b.evalDataset(Map.of("", FIRST)));
    TrainingArguments.Builder steps = arguments().evalStrategy(IntervalStrategy.STEPS).evalSteps(5);
    assertProblem(
        "'eval_loss', which none of the evaluation datasets [first, rest] gives. Set"
            + " metricForBestModel to a metric of one of them, such as 'eval_rest_loss'",
        b -> b.args(steps.loadBestModelAtEnd(true).build()));
    assertProblem(
        "'eval_loss', which none",
        b ->
            b.args(steps.loadBestModelAtEnd(false).build())
                .callbacks(new EarlyStoppingCallback(1)));
    assertProblem(
        "Example 0 of the evaluation 'broken' dataset has token 40",
        b -> b.evalDataset(Map.of("broken", Dataset.of(List.of(Example.of(4, 40))))));
  }

  private void assertProblem(String part, UnaryOperator<Trainer.Builder> change) {
    try (CausalLM model = TinyModels.opt(0)) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> change.apply(builder(model, arguments().build())).build().train())
              .getMessage();
      assertTrue(message.contains(part), message);
      assertEquals(List.of(), names());
    }
  }

  @Test
  void anEvaluationAtTheStartNeedsADataset() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(arguments().evalOnStart(true).build())
              .trainDataset(DATA)
              .build();
      String message = assertThrows(IllegalArgumentException.class, trainer::train).getMessage();
      assertTrue(message.contains("evalOnStart is set, but there is nothing"), message);
    }
    TrainingArguments.Builder late = TrainingArguments.builder().evalDelay(-0.5);
    assertTrue(
        assertThrows(IllegalArgumentException.class, late::build)
            .getMessage()
            .contains("evalDelay must not be negative, got -0.5"));
  }

  /** Also of a run that is resumed; the rest of the run is the same. */
  @Test
  void anEvaluationAtTheStartChangesNothing() {
    List<List<Double>> losses = new ArrayList<>();
    for (boolean start : new boolean[] {false, true}) {
      try (CausalLM model = TinyModels.opt(0.2)) {
        trainer(model, arguments().evalOnStart(start).build()).train();
        Trainer resumed = trainer(model, arguments().evalOnStart(start).build());
        resumed.train(folder.resolve("checkpoint-5"));
        losses.add(List.copyOf(TinyModels.losses(resumed.state()).values()));
        List<Integer> evaluated =
            resumed.state().logHistory().stream()
                .filter(line -> line.containsKey("eval_loss"))
                .map(line -> line.get("step").intValue())
                .toList();
        assertEquals(start ? List.of(0, 5) : List.of(), evaluated);
      }
    }
    assertEquals(losses.get(0), losses.get(1));
  }
}
