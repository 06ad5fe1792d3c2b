package org.peftjava.torch.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/** Update rules against their formulas in double precision, state dicts, clipping, ownership. */
class OptimizerTest {
  private static final float[] START = {0.7f, -1.3f, 2.1f};
  private static final float[][] GRADIENTS = {
    {0.5f, -0.25f, 3f}, {-1.5f, 0.75f, 0.125f}, {0.3f, 0.9f, -2f}
  };

  private long liveBefore;

  @BeforeEach
  void countBefore() {
    liveBefore = TensorLedger.liveTensors();
  }

  @AfterEach
  void nothingLeft() {
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  @Test
  void adamWFollowsItsFormula() {
    double lr = 0.05;
    double b1 = 0.8;
    double b2 = 0.95;
    double eps = 1e-3;
    double wd = 0.3;
    double[] expected = doubles(START);
    double[] m = new double[3];
    double[] v = new double[3];
    for (int t = 1; t <= 3; t++) {
      for (int i = 0; i < 3; i++) {
        double g = GRADIENTS[t - 1][i];
        expected[i] -= lr * wd * expected[i];
        m[i] = b1 * m[i] + (1 - b1) * g;
        v[i] = b2 * v[i] + (1 - b2) * g * g;
        double mean = m[i] / (1 - Math.pow(b1, t));
        double square = v[i] / (1 - Math.pow(b2, t));
        expected[i] -= lr * mean / (Math.sqrt(square) + eps);
      }
    }
    try (Parameter p = parameter(START);
        AdamW optimizer = new AdamW(Map.of("p", p), new AdamW.Options(lr, b1, b2, eps, wd))) {
      run(optimizer, p, 0, 3);
      assertArrayEquals(floats(expected), values(p), 2e-6f);
    }
  }

  @Test
  void sgdFollowsItsFormula() {
    for (SGD.Options options :
        List.of(
            SGD.Options.of(0.1),
            new SGD.Options(0.1, 0.9, 0, 0.05, false),
            new SGD.Options(0.1, 0.9, 0, 0.05, true),
            new SGD.Options(0.1, 0.7, 0.3, 0, false))) {
      double[] expected = doubles(START);
      double[] momentum = new double[3];
      for (int t = 0; t < 3; t++) {
        for (int i = 0; i < 3; i++) {
          double g = GRADIENTS[t][i] + options.weightDecay() * expected[i];
          momentum[i] =
              t == 0 ? g : options.momentum() * momentum[i] + (1 - options.dampening()) * g;
          double direction =
              options.momentum() == 0
                  ? g
                  : options.nesterov() ? g + options.momentum() * momentum[i] : momentum[i];
          expected[i] -= options.learningRate() * direction;
        }
      }
      try (Parameter p = parameter(START);
          SGD optimizer = new SGD(Map.of("p", p), options)) {
        run(optimizer, p, 0, 3);
        assertArrayEquals(floats(expected), values(p), 1e-6f, options.toString());
      }
    }
  }

  @Test
  void aRestoredStateContinuesToTheBit() {
    continuesToTheBit(p -> new AdamW(Map.of("p", p), AdamW.Options.defaults()));
    continuesToTheBit(p -> new SGD(Map.of("p", p), new SGD.Options(0.1, 0.9, 0, 0.01, true)));
  }

  private static void continuesToTheBit(
      java.util.function.Function<Parameter, Optimizer> optimizers) {
    try (Parameter whole = parameter(START);
        Optimizer uninterrupted = optimizers.apply(whole);
        Parameter part = parameter(START);
        Optimizer first = optimizers.apply(part)) {
      run(uninterrupted, whole, 0, 3);
      run(first, part, 0, 2);
      try (TensorScope scope = TensorScope.open("test");
          Optimizer second = optimizers.apply(part)) {
        second.loadStateDict(first.stateDict());
        run(second, part, 2, 3);
        assertArrayEquals(values(whole), values(part));
      }
    }
  }

  @Test
  void anIncompleteStateIsNamed() {
    try (Parameter p = parameter(START);
        TensorScope scope = TensorScope.open("test");
        AdamW optimizer = new AdamW(Map.of("p", p), AdamW.Options.defaults())) {
      var incomplete = Map.of("p.exp_avg", Creation.zeros(DType.FLOAT32, 3));
      var error =
          assertThrows(IllegalArgumentException.class, () -> optimizer.loadStateDict(incomplete));
      assertTrue(error.getMessage().contains("'p' has no exp_avg_sq"), error.getMessage());
    }
  }

  @Test
  void parametersWithoutGradientStay() {
    try (Parameter p = parameter(START);
        Parameter still = parameter(START);
        AdamW optimizer =
            new AdamW(Map.of("p", p, "still", still), new AdamW.Options(0.1, 0.9, 0.99, 0, 0.5))) {
      run(optimizer, p, 0, 1);
      assertArrayEquals(START, values(still));
      try (TensorScope scope = TensorScope.open("test")) {
        assertEquals(3, optimizer.stateDict().size(), "exp_avg, exp_avg_sq and step of p only");
      }
    }
  }

  @Test
  void groupsDecayDifferently() {
    try (Parameter weight = parameter(START);
        Parameter bias = parameter(START);
        OptimizerGroups groups =
            new OptimizerGroups(
                List.of(
                    new SGD(Map.of("weight", weight), new SGD.Options(1, 0, 0, 0.5, false)),
                    new SGD(Map.of("bias", bias), SGD.Options.of(1))))) {
      groups.learningRate(0.1);
      try (TensorScope scope = TensorScope.open("test")) {
        weight.tensor().setGrad(Creation.zeros(DType.FLOAT32, 3));
        bias.tensor().setGrad(Creation.full(DType.FLOAT32, 2, 3));
      }
      groups.step();
      groups.zeroGrad();
      assertEquals(0.1, groups.learningRate());
      assertArrayEquals(new float[] {0.665f, -1.235f, 1.995f}, values(weight), 1e-6f);
      assertArrayEquals(new float[] {0.5f, -1.5f, 1.9f}, values(bias), 1e-6f);
    }
  }

  @Test
  void clippingScalesAllGradientsTogether() {
    try (Parameter a = parameter(3, 0);
        Parameter b = parameter(0, 4);
        TensorScope scope = TensorScope.open("test")) {
      a.tensor().setGrad(Creation.ofFloats(new float[] {3, 0}, 2));
      b.tensor().setGrad(Creation.ofFloats(new float[] {0, 4}, 2));
      assertEquals(5, Gradients.clipGradNorm(List.of(a, b), Double.POSITIVE_INFINITY), 1e-6);
      assertArrayEquals(new float[] {3, 0}, a.tensor().grad().orElseThrow().toFloats());
      assertEquals(5, Gradients.clipGradNorm(List.of(a, b), 2.5), 1e-6);
      assertArrayEquals(new float[] {1.5f, 0}, a.tensor().grad().orElseThrow().toFloats(), 1e-6f);
      assertArrayEquals(new float[] {0, 2}, b.tensor().grad().orElseThrow().toFloats(), 1e-6f);
      assertEquals(2.5, Gradients.clipGradNorm(List.of(a, b), 100), 1e-5);
    }
  }

  @Test
  void optionsOutOfRangeAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new SGD.Options(0.1, 0, 0, 0, true));
    assertThrows(IllegalArgumentException.class, () -> new SGD.Options(0.1, 0.9, 0.1, 0, true));
    assertThrows(IllegalArgumentException.class, () -> new AdamW.Options(0.1, 1, 0.9, 1e-8, 0));
    assertThrows(IllegalArgumentException.class, () -> new OptimizerGroups(List.of()));
  }

  private static void run(Optimizer optimizer, Parameter p, int from, int to) {
    for (int t = from; t < to; t++) {
      try (TensorScope scope = TensorScope.open("test")) {
        p.tensor().setGrad(Creation.ofFloats(GRADIENTS[t], 3));
        optimizer.step();
        optimizer.zeroGrad();
      }
    }
  }

  private static Parameter parameter(float... values) {
    try (TensorScope scope = TensorScope.open("test")) {
      Parameter p = new Parameter(Shape.of(values.length), DType.FLOAT32, Init.zeros());
      p.adopt(Creation.ofFloats(values, values.length));
      return p;
    }
  }

  private static float[] values(Parameter p) {
    try (TensorScope scope = TensorScope.open("test")) {
      return p.tensor().toFloats();
    }
  }

  private static double[] doubles(float[] values) {
    double[] result = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      result[i] = values[i];
    }
    return result;
  }

  private static float[] floats(double[] values) {
    float[] result = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      result[i] = (float) values[i];
    }
    return result;
  }
}
