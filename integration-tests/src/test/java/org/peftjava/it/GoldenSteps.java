package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/** The optimizer steps of a golden case. */
final class GoldenSteps {
  private GoldenSteps() {}

  /** Three steps end where Python's do. */
  static void check(Golden golden, Map<String, Parameter> parameters, Supplier<Tensor> loss) {
    List<Float> losses = train(golden, parameters, loss);
    double tolerance = golden.tolerance("afterSteps");
    float[] expected = golden.get("train.losses").toFloats();
    assertEquals(3, losses.size());
    for (int step = 0; step < 3; step++) {
      assertEquals(expected[step], losses.get(step), 2 * tolerance, "loss of step " + step);
    }
    assertTrue(losses.get(2) < losses.get(0) - 0.01, losses::toString);
    Set<String> unstable = new TreeSet<>();
    golden.facts().get("unstableAfterSteps").forEach(key -> unstable.add(key.textValue()));
    assertEquals(LoraCase.keysBelow(golden, "train.after."), new TreeSet<>(parameters.keySet()));
    parameters.forEach(
        (key, parameter) -> {
          if (!unstable.contains(key)) {
            Golden.assertClose(
                golden.get("train.after." + key), parameter.tensor(), tolerance, key);
          }
        });
  }

  /** The losses before each step. */
  static List<Float> train(
      Golden golden, Map<String, Parameter> parameters, Supplier<Tensor> loss) {
    List<Float> losses = new ArrayList<>();
    try (AdamW optimizer = optimizer(golden, parameters)) {
      int steps = golden.facts().at("/optimizer/steps").asInt();
      for (int step = 0; step < steps; step++) {
        try (TensorScope scope = TensorScope.openGraph("step")) {
          Tensor value = loss.get();
          losses.add((float) value.toDouble());
          value.backward();
        }
        optimizer.step();
        optimizer.zeroGrad();
      }
    }
    return losses;
  }

  static AdamW optimizer(Golden golden, Map<String, Parameter> parameters) {
    JsonNode settings = golden.facts().get("optimizer");
    return new AdamW(
        parameters,
        new AdamW.Options(
            settings.get("lr").asDouble(),
            settings.get("betas").get(0).asDouble(),
            settings.get("betas").get(1).asDouble(),
            settings.get("eps").asDouble(),
            settings.get("weight_decay").asDouble()));
  }
}
