package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Gradients;
import org.peftjava.torch.optim.LambdaLR;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.optim.SGD;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.training.Optimization;

/** Optimizers, clipping and schedules against torch and transformers. */
class GoldenOptimizerIT {
  private static final Path GOLDEN = Path.of("src/test/resources/golden");
  private static final List<String> PARAMETERS = List.of("weight", "bias", "sometimes");

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
        try (Optimizer optimizer = optimizer(parameters, entry.getValue())) {
          for (int step = 0; step < 10; step++) {
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
    assertEquals(7 * 10 * 3, compared);
  }

  private static Optimizer optimizer(Map<String, Parameter> parameters, JsonNode settings) {
    double rate = settings.path("lr").asDouble();
    double decay = settings.path("weight_decay").asDouble(0);
    if (settings.path("class").asText().equals("AdamW")) {
      return new AdamW(
          parameters,
          new AdamW.Options(
              rate,
              settings.path("betas").path(0).asDouble(),
              settings.path("betas").path(1).asDouble(),
              settings.path("eps").asDouble(),
              decay));
    }
    return new SGD(
        parameters,
        new SGD.Options(
            rate,
            settings.path("momentum").asDouble(0),
            settings.path("dampening").asDouble(0),
            decay,
            settings.path("nesterov").asBoolean(false)));
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
        double norm = Gradients.clipNorm(parameters, row.path("maxNorm").asDouble());
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
                row.path("name").asText(),
                optimizer,
                row.path("warmupSteps").asLong(),
                row.path("steps").asLong());
        for (int step = 0; step < row.path("rates").size(); step++) {
          assertEquals(
              row.path("rates").path(step).asDouble(),
              optimizer.learningRate(),
              1e-17,
              row.path("name").asText() + " of " + row.path("steps") + ", step " + step);
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
