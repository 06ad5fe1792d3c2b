package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LedgerCheck;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.Values;

@ExtendWith(LedgerCheck.class)
class LayersTest {
  private static final float[] DENSE = {1, 2, 3, -4, 5, -6}; // (2, 3)

  /** As in training with {@code bf16}, where what is trained is float32. */
  @Test
  void biasesAreTrainedInFloat32BesideFrozenWeights() {
    try (Linear linear = new Linear(3, 2, true, DType.BFLOAT16);
        Conv1D turned = new Conv1D(3, 2, DType.BFLOAT16);
        LayerNorm norm = new LayerNorm(3, 1e-5, DType.BFLOAT16)) {
      for (Module module : List.of(linear, turned, norm)) {
        module.initialize();
        module.requiresGrad(false);
        Parameter bias = module.ownParameters().get("bias");
        bias.to(DType.FLOAT32);
        bias.requiresGrad(true);
        try (TensorScope scope = TensorScope.openGraph("step")) {
          Tensor x = Values.normal(1, DType.BFLOAT16, 4, 3);
          Tensor y = ((Layer) module).forward(x);
          assertEquals(DType.BFLOAT16, y.dtype());
          y.sum().backward();
          float[] gradient = bias.tensor().grad().orElseThrow().toFloats();
          for (float each : gradient) {
            assertEquals(4, each);
          }
          bias.zeroGrad();
        }
      }
    }
  }

  @Test
  void rmsNormsScaleByTheWeightOrByWhatExceedsOne() {
    try (RmsNorm plain = new RmsNorm(2, 0.5, DType.FLOAT32);
        RmsNorm aroundOne = RmsNorm.aroundOne(2, 0.5, DType.FLOAT32);
        RmsNorm copy = aroundOne.emptyCopy();
        TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(new float[] {3, 4}, 1, 2);
      float root = (float) Math.sqrt(12.5 + 0.5);
      for (RmsNorm norm : List.of(plain, aroundOne, copy)) {
        norm.initialize();
        assertArrayEquals(new float[] {3 / root, 4 / root}, norm.forward(x).toFloats(), 1e-6f);
        norm.ownParameters().get("weight").copyFrom(Creation.ofFloats(new float[] {0.5f, -2}, 2));
        assertEquals(DType.BFLOAT16, norm.forward(x.to(DType.BFLOAT16)).dtype());
        assertEquals(0.5, norm.eps());
      }
      assertArrayEquals(new float[] {1.5f / root, -8 / root}, plain.forward(x).toFloats(), 1e-6f);
      assertArrayEquals(
          new float[] {4.5f / root, -4 / root}, aroundOne.forward(x).toFloats(), 1e-6f);
      assertArrayEquals(aroundOne.forward(x).toFloats(), copy.forward(x).toFloats());
    }
  }

  @Test
  void linearLayersAgreeHoweverTheyStoreTheWeight() {
    for (LinearLayer layer :
        List.of(new Linear(3, 2, true, DType.FLOAT32), new Conv1D(3, 2, DType.FLOAT32))) {
      try (Module module = (Module) layer;
          TensorScope scope = TensorScope.open("test")) {
        module.initialize();
        layer.replaceWeight(Creation.ofFloats(DENSE, 2, 3));
        layer.bias().orElseThrow().copyFrom(Creation.ofFloats(new float[] {0.5f, -0.25f}, 2));
        Tensor x = Creation.ofFloats(new float[] {1, 10, 100}, 1, 1, 3);
        Tensor y = layer.forward(x);
        assertEquals("Tensor[1, 1, 2] float32", y.toString());
        assertArrayEquals(new float[] {321.5f, -554.25f}, y.toFloats());
        assertEquals(List.of(3L, 2L), List.of(layer.inFeatures(), layer.outFeatures()));
        assertEquals(DType.FLOAT32, layer.computeDtype());
        y.sum().backward();
        assertArrayEquals(
            new float[] {1, 1},
            layer.bias().orElseThrow().tensor().grad().orElseThrow().toFloats());
        for (DType type : List.of(DType.FLOAT32, DType.FLOAT64)) {
          Tensor dense = layer.denseWeight(type);
          assertEquals(type, dense.dtype());
          assertArrayEquals(DENSE, dense.toFloats());
          assertEquals(false, dense.requiresGrad());
          dense.fillInPlace(9);
        }
        assertArrayEquals(DENSE, layer.denseWeight(DType.FLOAT32).toFloats());
        Tensor wrong = Creation.ones(DType.FLOAT32, 3, 2);
        assertThrows(IllegalArgumentException.class, () -> layer.replaceWeight(wrong));
      }
    }
  }

  @Test
  void linearWithoutABias() {
    try (Linear layer = new Linear(3, 2, false, DType.FLOAT32);
        TensorScope scope = TensorScope.open("test")) {
      layer.weight().copyFrom(Creation.ofFloats(DENSE, 2, 3));
      assertEquals(Optional.empty(), layer.bias());
      Tensor x = Creation.ofFloats(new float[] {1, 10, 100}, 3);
      assertArrayEquals(new float[] {321, -554}, layer.forward(x).toFloats());
    }
  }

  @Test
  void firstValuesAreThoseOfPython() {
    Randomness.manualSeed(3);
    try (Linear linear = new Linear(64, 500, true, DType.FLOAT32);
        Conv1D conv = new Conv1D(64, 500, DType.FLOAT32);
        Embedding table = new Embedding(64, 500, DType.FLOAT32);
        TensorScope scope = TensorScope.open("test")) {
      for (Module module : List.of(linear, conv, table)) {
        module.initialize();
      }
      double bound = 1 / Math.sqrt(64);
      assertEquals(bound, linear.weight().tensor().abs().max().toDouble(), bound / 100);
      assertEquals(bound, linear.bias().orElseThrow().tensor().max().toDouble(), bound / 50);
      assertEquals(0.02, deviation(conv.weight()), 0.0005);
      assertArrayEquals(new float[500], conv.bias().orElseThrow().tensor().toFloats());
      assertEquals(1, deviation(table.table()), 0.02);
    }
  }

  @Test
  void embeddingSkipsTheGradientOfThePadding() {
    for (OptionalLong padding : List.of(OptionalLong.empty(), OptionalLong.of(2))) {
      try (Embedding layer = new Embedding(4, 2, padding, DType.FLOAT32);
          TensorScope scope = TensorScope.open("test")) {
        float[] rows = {1, 2, 3, 4, 5, 6, 7, 8};
        layer.table().copyFrom(Creation.ofFloats(rows, 4, 2));
        assertEquals(padding, layer.paddingIdx());
        assertEquals(List.of(4L, 2L), List.of(layer.numEmbeddings(), layer.embeddingDim()));
        Tensor y = layer.forward(Creation.ofLongs(new long[][] {{2, 0}, {0, 3}}));
        assertArrayEquals(new float[] {5, 6, 1, 2, 1, 2, 7, 8}, y.toFloats());
        y.mul(3).sum().backward();
        float atPadding = padding.isPresent() ? 0 : 3;
        assertArrayEquals(
            new float[] {6, 6, 0, 0, atPadding, atPadding, 3, 3},
            layer.table().tensor().grad().orElseThrow().toFloats());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void layerNormFollowsItsFormula(boolean affine) {
    try (LayerNorm layer = new LayerNorm(4, 0.5, affine, DType.FLOAT32);
        TensorScope scope = TensorScope.open("test")) {
      float[] weight = {2, -1, 0.5f, 3};
      float[] bias = {1, 0.25f, -2, 4};
      if (affine) {
        layer.ownParameters().get("weight").copyFrom(Creation.ofFloats(weight, 4));
        layer.ownParameters().get("bias").copyFrom(Creation.ofFloats(bias, 4));
      }
      double[] x = {1, -3, 2, 8};
      double mean = 2;
      double variance = (1 + 25 + 0 + 36) / 4.0;
      float[] expected = new float[4];
      for (int i = 0; i < 4; i++) {
        double unit = (x[i] - mean) / Math.sqrt(variance + 0.5);
        expected[i] = (float) (affine ? unit * weight[i] + bias[i] : unit);
      }
      Tensor y = layer.forward(Creation.ofFloats(new float[] {1, -3, 2, 8}, 1, 4));
      Values.assertClose(expected, y.toFloats(), 1e-6, "norm");
      assertEquals(0.5, layer.eps());
      assertEquals(affine ? 2 : 0, layer.namedParameters().size());
    }
  }

  @Test
  void dropoutWorksInTrainingOnly() {
    try (Dropout layer = new Dropout(0.25);
        TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.full(DType.FLOAT32, 3, 100);
      float[] dropped = layer.forward(x).toFloats();
      assertNotEquals(300, sum(dropped));
      for (float value : dropped) {
        assertEquals(value == 0 ? 0 : 4, value);
      }
      layer.eval();
      assertSame(x, layer.forward(x));
      assertEquals(0.25, layer.p());
      for (double bad : new double[] {-0.5, 1, 2}) {
        assertEquals(
            "Dropout probability must be in [0, 1), got " + bad + ".",
            assertThrows(IllegalArgumentException.class, () -> new Dropout(bad)).getMessage());
      }
    }
  }

  private static double sum(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value;
    }
    return sum;
  }

  private static double deviation(Parameter parameter) {
    return parameter.tensor().pow(2).mean().sqrt().toDouble();
  }
}
