package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/**
 * Layers and the optimizer choose the kernels by themselves, and compute what they do on the CPU.
 */
abstract class CudaLayersContract extends CudaContract {
  CudaLayersContract(KernelPlace place) {
    super(place);
  }

  /** Decoding multiplies straight from the codes; a batch makes the weight dense, twice a step. */
  @ParameterizedTest
  @CsvSource({"FLOAT32, false", "BFLOAT16, true"})
  void fourBitLayers(DType type, boolean nested) {
    Tensor dense = Creation.randn(type, 48, 128);
    Tensor bias = Creation.randn(type, 48);
    try (QuantizedLinear here = withoutKernels(() -> fourBit(dense, bias, type, nested));
        QuantizedLinear there = fourBit(on(dense), on(bias), type, nested)) {
      assertTrue(launches("fourBitQuantize") >= 1);
      assertSameResults(here, there, Creation.randn(type, 1, 3, 128), type);
      String product = type == DType.FLOAT32 ? "fourBitProduct" : "fourBitTiles";
      assertEquals(1, launches(product));
      assertEquals(1, launches("fourBitDequantize"));
      assertSameResults(here, there, Creation.randn(type, 2, 40, 128), type);
      assertEquals(1, launches(product));
      assertEquals(3, launches("fourBitDequantize"));
    }
  }

  /** Products with quantized rows and outliers; the gradient by the dense weight. */
  @ParameterizedTest
  @CsvSource({"0", "2.5"})
  void eightBitLayers(double threshold) {
    Tensor dense = Creation.randn(DType.FLOAT32, 40, 96);
    Tensor bias = Creation.randn(DType.FLOAT32, 40);
    try (QuantizedLinear here = withoutKernels(() -> eightBit(dense, bias, threshold));
        QuantizedLinear there = eightBit(on(dense), on(bias), threshold)) {
      here.eval();
      there.eval();
      for (long rows : new long[] {1, 6, 30}) {
        Tensor x = Creation.randn(DType.FLOAT32, rows, 96);
        assertSameResults(here, there, x, DType.FLOAT32);
      }
      assertEquals(2, launches("int8Prepare"));
      assertEquals(2, launches("int8Few"));
      assertEquals(1, launches("int8Finish"));
      assertEquals(3, launches("int8Dequantize"));
      assertEquals(threshold == 0 ? 0 : 1, launches("int8Clear"));
    }
  }

  /** A requantized weight, as merging an adapter leaves it, is made by the kernels too. */
  @Test
  void mergedWeights() {
    Tensor dense = Creation.randn(DType.FLOAT32, 48, 128);
    Tensor other = Creation.randn(DType.FLOAT32, 48, 128);
    try (QuantizedLinear here = withoutKernels(() -> fourBit(dense, null, DType.FLOAT32, true));
        QuantizedLinear there = fourBit(on(dense), null, DType.FLOAT32, true)) {
      withoutKernels(
          () -> {
            here.replaceWeight(other);
            return true;
          });
      there.replaceWeight(on(other));
      assertClose(
          withoutKernels(() -> here.denseWeight(DType.FLOAT32)),
          there.denseWeight(DType.FLOAT32),
          1e-6);
    }
  }

  /** One launch for all parameters of a type, whatever their state; as many as fit into one. */
  @Test
  void optimizersOfManyParameters() {
    AdamW.Options options = new AdamW.Options(1e-2, 0.9, 0.99, 1e-8, 0.1);
    Map<String, Parameter> here = new LinkedHashMap<>();
    Map<String, Parameter> there = new LinkedHashMap<>();
    for (int i = 0; i < 60; i++) {
      DType type = i % 10 == 0 ? DType.BFLOAT16 : DType.FLOAT32;
      Tensor start = Creation.randn(type, i % 20 == 3 ? 5000 + i : 1 + 40L * i);
      here.put("w" + i, parameter(start));
      there.put("w" + i, parameter(on(start)));
    }
    try (AdamW8bit ours = new AdamW8bit(there, options, Set.of());
        AdamW8bit theirs = new AdamW8bit(here, options, Set.of())) {
      for (int step = 0; step < 2; step++) {
        for (int i = step; i < 60; i++) { // so that they do not all count the same steps
          Parameter parameter = here.get("w" + i);
          Tensor gradient = Creation.randn(parameter.dtype(), parameter.numel());
          parameter.tensor().setGrad(gradient);
          there.get("w" + i).tensor().setGrad(on(gradient.copy()));
        }
        ours.step();
        withoutKernels(
            () -> {
              theirs.step();
              return true;
            });
        ours.zeroGrad();
        theirs.zeroGrad();
      }
      assertEquals(4, launches("adamw8bitF32")); // 54 of them, 49 a launch
      assertEquals(2, launches("adamw8bitBF16"));
      here.forEach(
          (name, parameter) ->
              assertClose(
                  parameter.tensor().detach(),
                  there.get(name).tensor().detach(),
                  parameter.dtype() == DType.BFLOAT16 ? 0x1p-8 : 1e-5));
    } finally {
      here.values().forEach(Parameter::close);
      there.values().forEach(Parameter::close);
    }
  }

  /** A parameter whose gradient is of another type, or has gaps, goes the general way. */
  @Test
  void optimizersOfUnusualGradients() {
    AdamW.Options options = new AdamW.Options(1e-2, 0.9, 0.99, 1e-8, 0.1);
    Tensor start = Creation.randn(DType.FLOAT32, 70, 80);
    Tensor gradient = Creation.randn(DType.FLOAT32, 80, 70);
    try (Parameter here = parameter(start);
        Parameter there = parameter(on(start));
        AdamW8bit ours = new AdamW8bit(Map.of("w", there), options, Set.of());
        AdamW8bit theirs = new AdamW8bit(Map.of("w", here), options, Set.of())) {
      here.tensor().setGrad(gradient.t());
      there.tensor().setGrad(on(gradient).t());
      ours.step();
      withoutKernels(
          () -> {
            theirs.step();
            return true;
          });
      assertClose(here.tensor().detach(), there.tensor().detach(), 1e-6);
      here.zeroGrad();
      there.zeroGrad();
    }
  }

  /** Outputs and the gradient of x. */
  private void assertSameResults(
      QuantizedLinear here, QuantizedLinear there, Tensor x, DType type) {
    Tensor hereX = x.copy().requiresGrad(true);
    Tensor thereX = on(x.copy()).detach().copy().requiresGrad(true);
    Tensor hereY =
        withoutKernels(
            () -> {
              Tensor y = here.forward(hereX);
              y.sum().backward();
              return y;
            });
    Tensor thereY = there.forward(thereX);
    thereY.sum().backward();
    double epsilon = type == DType.BFLOAT16 ? 0x1p-7 : 1e-5;
    assertClose(hereY.detach(), thereY.detach(), epsilon);
    assertClose(hereX.grad().orElseThrow(), thereX.grad().orElseThrow(), epsilon);
    hereX.setGrad(null);
    thereX.setGrad(null);
  }

  private static void assertClose(Tensor expected, Tensor actual, double epsilon) {
    Tensor e = expected.to(DType.FLOAT32);
    double scale = e.abs().max().toDouble();
    double error = e.sub(actual.to(Device.CPU).to(DType.FLOAT32)).abs().max().toDouble();
    assertTrue(error <= epsilon * scale, () -> error + " of " + scale);
  }

  private static QuantizedLinear fourBit(Tensor dense, Tensor bias, DType type, boolean nested) {
    return new Linear4bit(
        FourBitWeight.quantize(dense, QuantType.NF4, 64, nested),
        bias == null ? null : parameter(bias),
        type);
  }

  private static QuantizedLinear eightBit(Tensor dense, Tensor bias, double threshold) {
    return new Linear8bitLt(
        EightBitWeight.quantize(dense, dense.dtype(), threshold), parameter(bias));
  }

  static Parameter parameter(Tensor values) {
    Parameter result = new Parameter(values.shape(), values.dtype(), Init.zeros());
    result.adopt(values.copy());
    return result;
  }
}
