package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/** LLM.int8() in the CUDA kernels against the operators. */
abstract class CudaInt8Contract extends CudaContract {
  CudaInt8Contract(KernelPlace place) {
    super(place);
  }

  @Test
  void weightsAreThoseOfTheOperators() {
    for (DType type : TYPES) {
      for (long[] shape : new long[][] {{5, 64}, {3, 2500}, {4, 77}, {1, 1}}) {
        Tensor dense = Creation.randn(type, shape);
        dense.narrow(0, 0, 1).copyInPlace(Creation.zeros(type, dense.device(), 1, shape[1]));
        RowwiseInt8.Rows actual = RowwiseInt8.quantizeWeight(on(dense), type);
        assertTrue(launches("int8Scan" + CardTensors.suffix(type).orElseThrow()) > 0);
        RowwiseInt8.Rows portable = withoutKernels(() -> RowwiseInt8.quantizeWeight(dense, type));
        assertArrayEquals(portable.codes().toBytes(), actual.codes().toBytes());
        assertArrayEquals(portable.absmax().toBytes(), actual.absmax().toBytes());
        for (DType wanted : TYPES) {
          Tensor dequantized = Creation.empty(wanted, actual.codes().device(), shape);
          RowwiseInt8.dequantizeInto(dequantized, actual.codes(), actual.absmax());
          Tensor expected = Creation.empty(DType.FLOAT64, dense.device(), shape);
          RowwiseInt8.dequantizeInto(expected, portable.codes(), portable.absmax());
          assertArrayEquals(expected.to(DType.FLOAT32).to(wanted).toBytes(), dequantized.toBytes());
        }
      }
    }
    assertTrue(launches("int8Dequantize") >= 36);
  }

  @Test
  void weightsThatAreNotFiniteAreRefused() {
    Tensor dense = Creation.randn(DType.FLOAT32, 3, 40);
    dense
        .narrow(0, 2, 1)
        .narrow(1, 39, 1)
        .copyInPlace(Creation.full(DType.FLOAT32, Float.NaN, 1, 1));
    assertThrows(
        IllegalArgumentException.class, () -> RowwiseInt8.quantizeWeight(on(dense), DType.FLOAT32));
  }

  /**
   * No outliers, a few, and one in every column; few rows and many, sizes that suit cuBLAS and
   * sizes that do not; the integer sums are exact, so that only what follows may round.
   */
  @ParameterizedTest
  @ValueSource(doubles = {0, 3.1, 1e-3})
  void productsAreThoseOfTheOperators(double threshold) {
    long[][] cases = {
      {1, 40, 192},
      {2, 9, 528},
      {3, 33, 77},
      {9, 70, 320},
      {16, 7, 480},
      {24, 40, 192},
      {20, 33, 100}
    };
    for (DType type : TYPES) {
      for (long[] sizes : cases) {
        RowwiseInt8.Rows weight =
            RowwiseInt8.quantizeWeight(on(Creation.randn(type, sizes[1], sizes[2])), type);
        Tensor x = Creation.randn(type, sizes[0], sizes[2]);
        Tensor bias = sizes[0] == 3 ? null : Creation.randn(type, sizes[1]);
        assertNear(x, weight, bias, threshold);
      }
    }
    assertEquals(15, launches("int8Prepare"));
    assertEquals(15, launches("int8Few"));
    assertEquals(6, launches("int8Finish"));
    assertEquals(3, launches("int8Product")); // 24 rows of 192 go to libtorch
    assertEquals(threshold == 0 ? 0 : 6, launches("int8Clear"));
  }

  /** One kernel for all of a product gives what several do, which serve more rows. */
  @ParameterizedTest
  @ValueSource(doubles = {0, 2.8, 1e-3})
  void fewRowsAreThoseOfManyToTheBit(double threshold) {
    for (DType type : TYPES) {
      for (long[] sizes :
          new long[][] {{16, 21, 144}, {5, 8, 1100}, {3, 9, 77}, {2, 9, 4112}, {1, 5, 96}}) {
        RowwiseInt8.Rows weight =
            RowwiseInt8.quantizeWeight(on(Creation.randn(type, sizes[1], sizes[2])), type);
        Tensor bias = on(Creation.randn(type, sizes[1]));
        Tensor few = Creation.randn(type, sizes[0], sizes[2]);
        // Rows of zeros have no outliers.
        Tensor many = Creation.cat(List.of(few, Creation.zeros(type, 20 - sizes[0], sizes[2])), 0);
        assertArrayEquals(
            product(many, weight, bias, threshold).narrow(0, 0, sizes[0]).toBytes(),
            product(few, weight, bias, threshold).toBytes());
      }
    }
    assertEquals(15, launches("int8Few"));
    assertEquals(15, launches("int8Finish"));
  }

  private Tensor product(Tensor x, RowwiseInt8.Rows weight, Tensor bias, double threshold) {
    return RowwiseInt8.product(on(x), weight.codes(), weight.absmax(), bias, threshold);
  }

  /** More columns than one round of the collecting block has threads for. */
  @Test
  void outliersOfManyColumnsAreFound() {
    long columns = 1024 * 8 + 100;
    RowwiseInt8.Rows weight =
        RowwiseInt8.quantizeWeight(on(Creation.randn(DType.FLOAT32, 5, columns)), DType.FLOAT32);
    Tensor x = Creation.randn(DType.FLOAT32, 4, columns);
    for (long column : new long[] {0, 1023, 8191, 8192, columns - 1}) {
      x.narrow(0, column % 4, 1)
          .narrow(1, column, 1)
          .copyInPlace(Creation.full(DType.FLOAT32, 50 + column % 7, 1, 1));
    }
    assertNear(x, weight, null, 6);
  }

  private void assertNear(
      Tensor x, RowwiseInt8.Rows weight, @Nullable Tensor bias, double threshold) {
    Tensor actual =
        RowwiseInt8.product(
            on(x), weight.codes(), weight.absmax(), bias == null ? null : on(bias), threshold);
    Tensor expected =
        RowwiseInt8.portableProduct(
            x.to(DType.FLOAT32),
            weight.codes().to(Device.CPU),
            weight.absmax().to(Device.CPU),
            bias == null ? null : bias.to(DType.FLOAT32),
            threshold);
    double size = expected.abs().max().toDouble();
    double tolerance =
        switch (x.dtype()) {
          case BFLOAT16 -> 0x1p-8;
          case FLOAT16 -> 0x1p-11;
          default -> 1e-6;
        };
    double error = expected.sub(actual.to(Device.CPU).to(DType.FLOAT32)).abs().max().toDouble();
    assertTrue(
        error <= tolerance * 1.01 * size,
        () -> x.dtype() + " " + x.shape() + ": " + error + " of " + size);
  }
}
