package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.Gradients;
import org.peftjava.torch.optim.LambdaLR;
import org.peftjava.torch.optim.MetricSchedule;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.optim.SGD;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.training.Optimization;
import org.peftjava.transformers.training.SchedulerType;

/** Optimizers, clipping and schedules against torch and transformers. */
class GoldenOptimizerIT {
  private static final Path GOLDEN = Path.of("src/test/resources/golden");
  private static final List<String> PARAMETERS = List.of("weight", "bias", "sometimes", "deep");

  /** The step from which on another optimizer goes on with the state of the first. */
  private static final int RESTORED = 6;

  private static JsonNode json(String file) throws IOException {
    return new ObjectMapper().readTree(GOLDEN.resolve(file).toFile());
  }

  @Test
  void optimizersFollowTorch() throws IOException {
    JsonNode description = json("optimizers/case.json");
    float tolerance = (float) description.path("tolerances").path("value").asDouble();
    int compared = 0;
    try (TensorScope scope = TensorScope.open("test");
        WeightSource golden = Safetensors.open(GOLDEN.resolve("optimizers/io.safetensors"))) {
      for (Map.Entry<String, JsonNode> entry : description.path("optimizers").properties()) {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        for (String name : PARAMETERS) {
          Tensor start = golden.tensor("start." + name);
          Parameter parameter = new Parameter(start.shape(), start.dtype(), Init.zeros());
          parameter.adopt(start.copy());
          parameters.put(name, parameter);
        }
        try (Optimizer first = GoldenOptimizers.of(parameters, entry.getValue());
            Optimizer second = GoldenOptimizers.of(parameters, entry.getValue())) {
          for (int step = 0; step < 10; step++) {
            if (step == RESTORED) {
              second.loadStateDict(first.stateDict());
            }
            Optimizer optimizer = step < RESTORED ? first : second;
            for (String name : PARAMETERS) {
              if (!name.equals("sometimes") || step != 4) {
                Tensor gradient = golden.tensor("grad." + name).select(0, step).copy();
                parameters.get(name).tensor().setGrad(gradient);
              }
            }
            optimizer.step();
            optimizer.zeroGrad();
            for (String name : PARAMETERS) {
              assertArrayEquals(
                  golden.tensor(entry.getKey() + "." + name).select(0, step).toFloats(),
                  parameters.get(name).tensor().toFloats(),
                  tolerance,
                  entry.getKey() + "." + name + " after step " + step);
              compared++;
            }
          }
        }
        parameters.values().forEach(Parameter::close);
      }
    }
    assertEquals(16 * 10 * 4, compared);
  }

  @Test
  void clippingFollowsTorch() throws IOException {
    int compared = 0;
    for (JsonNode row : json("optimizers/case.json").path("clipping")) {
      if (row.path("normType").asDouble() != 2) {
        continue; // the trainer, as transformers', knows the Euclidean norm only
      }
      List<Parameter> parameters = new ArrayList<>();
      try (TensorScope scope = TensorScope.open("test")) {
        for (JsonNode gradient : row.path("gradients")) {
          Tensor values = Creation.ofFloats(floats(gradient), gradient.size());
          Parameter parameter = new Parameter(values.shape(), values.dtype(), Init.zeros());
          parameter.initialize();
          parameter.tensor().setGrad(values);
          parameters.add(parameter);
        }
        double norm = Gradients.clipGradNorm(parameters, row.path("maxNorm").asDouble());
        assertEquals(row.path("totalNorm").asDouble(), norm, 1e-6 * (1 + norm));
        for (int i = 0; i < parameters.size(); i++) {
          assertArrayEquals(
              floats(row.path("clipped").path(i)),
              parameters.get(i).tensor().grad().orElseThrow().toFloats(),
              1e-6f);
        }
        parameters.forEach(Parameter::close);
        compared++;
      }
    }
    assertEquals(4, compared);
  }

  private static float[] floats(JsonNode array) {
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) array.path(i).asDouble();
    }
    return values;
  }

  @Test
  void schedulesFollowTransformers() throws IOException {
    JsonNode description = json("schedules.json");
    double base = description.path("learningRate").asDouble();
    int compared = 0;
    for (JsonNode row : description.path("schedules")) {
      try (Optimizer optimizer = new SGD(Map.of(), SGD.Options.of(base))) {
        LambdaLR scheduler =
            Optimization.getScheduler(
                SchedulerType.parse(row.path("name").asText()),
                optimizer,
                row.path("warmupSteps").asLong(),
                row.path("steps").asLong(),
                kwargs(row));
        for (int step = 0; step < row.path("rates").size(); step++) {
          assertEquals(
              row.path("rates").path(step).asDouble(),
              optimizer.learningRate(),
              1e-17,
              row + ", step " + step);
          assertEquals(optimizer.learningRate(), scheduler.getLastLr());
          scheduler.step();
          compared++;
        }
        scheduler.step(1);
        assertEquals(row.path("rates").path(1).asDouble(), optimizer.learningRate(), 1e-17);
      }
    }
    assertTrue(compared > 700, compared + " rates");
  }

  private static Map<String, Object> kwargs(JsonNode row) {
    return row.has("kwargs")
        ? new ObjectMapper().convertValue(row.get("kwargs"), new TypeReference<>() {})
        : Map.of();
  }

  @Test
  void schedulesOfMeasurementsFollowPython() throws IOException {
    JsonNode description = json("schedules.json");
    double base = description.path("learningRate").asDouble();
    int compared = 0;
    for (JsonNode row : description.path("measured")) {
      try (Optimizer optimizer = new SGD(Map.of(), SGD.Options.of(base));
          Optimizer other = new SGD(Map.of(), SGD.Options.of(base))) {
        MetricSchedule schedule = measured(row, optimizer);
        for (int step = 0; step < row.path("rates").size(); step++) {
          if (step == 17) { // goes on in another one
            MetricSchedule next = measured(row, other);
            next.loadStateDict(schedule.stateDict());
            assertEquals(schedule.stateDict(), next.stateDict());
            schedule = next;
          }
          schedule.step(row.path("metrics").path(step).asDouble());
          double rate = (step < 17 ? optimizer : other).learningRate();
          assertEquals(row.path("rates").path(step).asDouble(), rate, 1e-17, row + " " + step);
          compared++;
        }
      }
    }
    assertEquals(8 * 40, compared);
  }

  private static MetricSchedule measured(JsonNode row, Optimizer optimizer) {
    return row.path("name").asText().equals("greedy")
        ? Optimization.getGreedySchedule(optimizer, kwargs(row))
        : Optimization.getReduceOnPlateauSchedule(optimizer, kwargs(row));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "LINEAR | min_lr | 1 | schedule linear does not know. It has none.",
        "COSINE | cycles | 1 | does not know. It knows [num_cycles].",
        "COSINE | num_cycles | half | \"num_cycles\" in lr_scheduler_kwargs is half. Expected a n",
        "COSINE_WITH_RESTARTS | num_cycles | 1.5 | Expected a whole number",
        "COSINE_WITH_MIN_LR | num_cycles | 1 | needs one of \"min_lr\" and \"min_lr_rate\"",
        "WARMUP_STABLE_DECAY | num_cycles | 1 | needs \"num_decay_steps\"",
        "POLYNOMIAL | lr_end | 0.2 | lr_end is 0.2 and the learning rate 0.1",
        "GREEDY | factor | 0.5 | Use Optimization.getGreedySchedule",
      })
  void wrongSettingsOfSchedulesAreExplained(
      SchedulerType type, String name, String value, String expected) {
    try (Optimizer optimizer = new SGD(Map.of(), SGD.Options.of(0.1))) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> Optimization.getScheduler(type, optimizer, 1, 9, Map.of(name, value)))
              .getMessage();
      assertTrue(message.contains(expected), message);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "factor | 1 | factor is 1.0. Expected a number below 1",
        "mode | less | mode is \"less\". Expected \"min\" or \"max\"",
        "threshold_mode | none | Expected \"rel\" or \"abs\"",
      })
  void wrongSettingsOfMeasuringSchedulesAreExplained(String name, String value, String expected) {
    try (Optimizer optimizer = new SGD(Map.of(), SGD.Options.of(0.1))) {
      Map<String, String> settings = Map.of(name, value);
      for (Executable call :
          List.<Executable>of(
              () -> Optimization.getGreedySchedule(optimizer, settings),
              () -> Optimization.getReduceOnPlateauSchedule(optimizer, settings))) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        assertTrue(message.contains(expected), message);
      }
    }
  }

  @Test
  void anUnknownScheduleIsNamed() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    Optimization.getScheduler("cosin", new SGD(Map.of(), SGD.Options.of(1)), 0, 9))
            .getMessage();
    assertTrue(
        message.startsWith("There is no schedule \"cosin\". Expected one of [linear,"), message);
  }
}
