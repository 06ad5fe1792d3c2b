package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Gradients;

/** Steps, norms and scaling of many tensors in one launch are those of single ones. */
abstract class CardOptimizerContract extends CardContract {
  /** One number, more than a thread block's, and sizes that suit no wide load. */
  private static final long[][] SIZES = {{1}, {33, 77}, {4096, 5}, {7}, {2048}};

  CardOptimizerContract(Device device, KernelLauncher kernels) {
    super(device, kernels);
  }

  /** More parameters than one launch takes, which do not all have a gradient in every step. */
  @ParameterizedTest
  @ValueSource(doubles = {0.9, 0.3})
  void stepsOfManyParameters(double beta1) {
    AdamW.Options options = new AdamW.Options(3e-2, beta1, 0.97, 1e-6, 0.05);
    Map<String, Parameter> here = new LinkedHashMap<>();
    Map<String, Parameter> there = new LinkedHashMap<>();
    for (int i = 0; i < 70; i++) {
      Tensor start = random(DType.FLOAT32, SIZES[i % (i < 10 ? 5 : 1)]);
      here.put("w" + i, parameter(start));
      there.put("w" + i, parameter(on(start)));
    }
    try (AdamW ours = new AdamW(there, options);
        AdamW theirs = new AdamW(here, options)) {
      for (int step = 0; step < 3; step++) {
        for (int i = step; i < 70; i += 1 + step % 2) {
          Tensor gradient = random(DType.FLOAT32, here.get("w" + i).shape().toArray());
          here.get("w" + i).tensor().setGrad(gradient);
          there.get("w" + i).tensor().setGrad(on(gradient.copy()));
        }
        ours.step();
        stopUsingThem();
        theirs.step();
        useAgain();
        ours.zeroGrad();
        theirs.zeroGrad();
      }
      assertEquals(5, counting.launches("adamw")); // 63 a launch; 35 in the second step
      here.forEach(
          (name, parameter) ->
              assertClose(parameter.tensor().detach(), there.get(name).tensor().detach()));
      Map<String, Tensor> states = ours.stateDict();
      theirs.stateDict().forEach((name, state) -> assertClose(state, states.get(name)));
    } finally {
      here.values().forEach(Parameter::close);
      there.values().forEach(Parameter::close);
    }
  }

  /** Norms to float32's error, and each gradient scaled as by an operator. */
  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
  void clipping(DType type) {
    List<Parameter> parameters = new ArrayList<>();
    double sum = 0;
    for (int i = 0; i < 120; i++) {
      Tensor gradient = random(type, SIZES[i % (i < 5 ? 5 : 1)]);
      sum += square(gradient);
      Parameter parameter = parameter(on(gradient.copy()));
      parameter.tensor().setGrad(on(gradient.copy()));
      parameters.add(parameter);
    }
    try {
      double norm = Gradients.clipGradNorm(parameters, Double.POSITIVE_INFINITY);
      assertEquals(Math.sqrt(sum), norm, 1e-6 * norm);
      assertEquals(norm, Gradients.clipGradNorm(parameters, 2), 1e-9 * norm);
      String end = CardTensors.suffix(type).orElseThrow();
      assertEquals(4, counting.launches("squares" + end)); // 112 a launch
      assertEquals(1, counting.launches("scale" + end)); // 149 a launch
      double factor = 2 / (norm + 1e-6);
      for (Parameter parameter : parameters) {
        assertArrayEquals(
            parameter.tensor().detach().mul(factor).toBytes(),
            parameter.tensor().grad().orElseThrow().toBytes());
      }
    } finally {
      parameters.forEach(Parameter::zeroGrad);
      parameters.forEach(Parameter::close);
    }
  }

  /** A gradient with gaps goes the general way. */
  @Test
  void gradientsWithGaps() {
    Tensor gradient = random(DType.FLOAT32, 6, 4);
    try (Parameter plain = parameter(on(random(DType.FLOAT32, 3)));
        Parameter turned = parameter(on(random(DType.FLOAT32, 4, 6)))) {
      plain.tensor().setGrad(on(Creation.ones(DType.FLOAT32, 3)));
      turned.tensor().setGrad(on(gradient).t());
      double expected = Math.sqrt(3 + square(gradient));
      assertEquals(expected, Gradients.clipGradNorm(List.of(plain, turned), 1), 1e-5);
      assertEquals(0, counting.launches("squares"));
      assertEquals(1, Gradients.clipGradNorm(List.of(plain, turned), 9), 1e-5);
      plain.zeroGrad();
      turned.zeroGrad();
    }
  }

  private void useAgain() {
    CardPath.CARDS.standIn(device, counting);
  }

  private static double square(Tensor x) {
    Tensor wide = x.to(DType.FLOAT64);
    return wide.mul(wide).sum().toDouble();
  }

  private static void assertClose(Tensor expected, Tensor actual) {
    Tensor e = expected.to(DType.FLOAT64);
    double scale = e.abs().max().toDouble();
    double error = e.sub(actual.to(Device.CPU).to(DType.FLOAT64)).abs().max().toDouble();
    assertTrue(error <= 1e-6 * scale, () -> error + " of " + scale);
  }

  private static Parameter parameter(Tensor values) {
    Parameter result = new Parameter(values.shape(), values.dtype(), Init.zeros());
    result.adopt(values.copy());
    return result;
  }
}
