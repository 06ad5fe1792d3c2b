package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;

/** Products on tensor cores against float64, and where they are asked for. */
abstract class CudaFourBitTilesContract extends CudaContract {
  CudaFourBitTilesContract(KernelPlace place) {
    super(place);
  }

  /** Two tiles of columns, of which the second is half of one; two blocks of rows. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"FLOAT16", "BFLOAT16"})
  void anyNumberOfRows(DType type) {
    Tensor bias = Creation.randn(type, 37);
    try (FourBitWeight weight = weight(37, 192, QuantType.NF4, 64, true)) {
      for (long m = 1; m <= 64; m++) {
        assertProduct(weight, Creation.randn(type, m, 192), m % 3 == 0 ? bias : null);
      }
    }
  }

  /**
   * Rows that fill no tile, one tile for many warps and several for each, blocks shorter than a row
   * and longer, so many blocks of threads that each is of fewer warps.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 64, 64",
    "31, 128, 128",
    "64, 576, 64",
    "33, 1088, 64",
    "5, 4160, 4096",
    "40, 2048, 512",
    "7, 1024, 2048",
    "96, 256, 256",
    "5153, 64, 64",
    "2, 4096, 1024"
  })
  void anyShape(long rows, long columns, int blockSize) {
    for (QuantType type : QuantType.values()) {
      for (boolean nested : new boolean[] {false, true}) {
        try (FourBitWeight weight = weight(rows, columns, type, blockSize, nested)) {
          for (long m : rows > 1000 ? new long[] {3, 30} : new long[] {1, 7, 13, 29, 64}) {
            DType dtype = nested ? DType.BFLOAT16 : DType.FLOAT16;
            Tensor bias = m % 2 == 0 ? Creation.randn(dtype, rows) : null;
            assertProduct(weight, Creation.randn(dtype, m, columns), bias);
          }
        }
      }
    }
  }

  /** Each column of the weight by itself: no term goes astray. */
  @ParameterizedTest
  @EnumSource(QuantType.class)
  void columnsOfTheWeight(QuantType type) {
    try (FourBitWeight weight = weight(45, 320, type, 64, false)) {
      for (long first = 0; first < 320; first += 64) {
        Tensor x = Creation.zeros(DType.BFLOAT16, Device.CPU, 64, 320);
        for (long i = 0; i < 64; i++) {
          x.narrow(0, i, 1).narrow(1, first + i, 1).copyInPlace(ones());
        }
        Tensor expected = weight.dequantize(DType.FLOAT32).narrow(1, first, 64).t();
        Tensor actual = weight.product(on(x), null, false).to(DType.FLOAT32);
        double error = expected.sub(actual).abs().max().toDouble();
        assertTrue(error <= 0x1p-7 * expected.abs().max().toDouble(), type + ": " + error);
      }
    }
  }

  /** Memory off every boundary for what is written; nothing beside it is. */
  @Test
  void nothingElseIsWritten() {
    for (long m : new long[] {1, 12, 27, 63}) {
      try (FourBitWeight weight = weight(35, 128, QuantType.NF4, 64, true)) {
        Tensor x = on(Creation.randn(DType.BFLOAT16, m, 128));
        long n = m * 35;
        Tensor all = on(Creation.full(DType.BFLOAT16, 77, n + 64));
        Tensor y = all.narrow(0, 33, n).reshape(m, 35);
        CudaFourBit kernels =
            (CudaFourBit) FourBitBackEnd.of(weight.quantState(), weight.state()).orElseThrow();
        kernels.productInto(y, x, null);
        assertArrayEquals(weight.product(x, null, false).toBytes(), y.toBytes());
        assertArrayEquals(Creation.full(DType.BFLOAT16, 77, 64).toBytes(), guards(all, n));
      }
    }
  }

  /** The same bits whatever else is in the batch. */
  @Test
  void rowsDoNotDependOnOthers() {
    try (FourBitWeight weight = weight(50, 448, QuantType.NF4, 64, true)) {
      Tensor x = on(Creation.randn(DType.FLOAT16, 32, 448));
      byte[] all = weight.product(x, null, false).toBytes();
      for (long m : new long[] {17, 23, 31}) {
        byte[] some = weight.product(x.narrow(0, 0, m), null, false).toBytes();
        assertArrayEquals(Arrays.copyOf(all, some.length), some);
      }
    }
  }

  /** Short blocks, columns that fill no step, float32, many rows: the ways that there were. */
  @Test
  void whatTensorCoresDoNotServe() {
    try (FourBitWeight shortBlocks = weight(9, 128, QuantType.NF4, 32, true);
        FourBitWeight columns = weight(9, 96, QuantType.NF4, 64, true);
        FourBitWeight good = weight(9, 128, QuantType.NF4, 64, true)) {
      shortBlocks.product(on(Creation.randn(DType.BFLOAT16, 8, 128)), null, false);
      columns.product(on(Creation.randn(DType.BFLOAT16, 5, 96)), null, false);
      good.product(on(Creation.randn(DType.FLOAT32, 3, 128)), null, false);
      assertEquals(3, launches("fourBitProduct"));
      shortBlocks.product(on(Creation.randn(DType.BFLOAT16, 9, 128)), null, false);
      columns.product(on(Creation.randn(DType.BFLOAT16, 9, 96)), null, false);
      good.product(on(Creation.randn(DType.FLOAT32, 9, 128)), null, false);
      good.product(on(Creation.randn(DType.BFLOAT16, 65, 128)), null, false);
      assertEquals(3, launches("fourBitProduct"));
      assertEquals(4, launches("fourBitDequantize"));
      assertEquals(0, launches("fourBitTiles"));
    }
  }

  /**
   * Rounded once at the end, plus what comes of rounding the sixteen values: an error of each
   * product, which adds up as random ones do. One weight in a wrong place would be more.
   */
  private void assertProduct(FourBitWeight weight, Tensor x, @Nullable Tensor bias) {
    long m = x.size(0);
    String kernel =
        "fourBitTiles"
            + (m <= 8 ? 1 : m <= 16 ? 2 : m <= 32 ? 4 : 8)
            + CardTensors.suffix(x.dtype()).orElseThrow();
    int before = launches(kernel);
    Tensor y = weight.product(on(x), bias == null ? null : on(bias), false);
    assertEquals(before + 1, launches(kernel));
    Tensor actual = y.to(Device.CPU).to(DType.FLOAT64);
    Tensor values = weight.dequantize(DType.FLOAT32).to(Device.CPU).to(DType.FLOAT64);
    Tensor terms = x.to(DType.FLOAT64);
    Tensor added = bias == null ? null : bias.to(DType.FLOAT64);
    Tensor expected = MatrixOps.linear(terms, values, added);
    Tensor spread = MatrixOps.linear(terms.mul(terms), values.mul(values), null).sqrt();
    assertEquals(expected.shape(), actual.shape());
    double half = x.dtype() == DType.BFLOAT16 ? 0x1p-8 : 0x1p-11;
    Tensor allowed = expected.abs().mul(1.01 * half).add(spread.mul(half)).add(1e-7);
    double above = expected.sub(actual).abs().sub(allowed).max().toDouble();
    assertTrue(
        above <= 0,
        () -> kernel + " " + m + " x " + weight.shape() + ": " + above + " more than allowed");
  }

  private static Tensor ones() {
    return Creation.full(DType.BFLOAT16, 1, 1, 1);
  }

  private FourBitWeight weight(
      long rows, long columns, QuantType type, int blockSize, boolean nested) {
    return FourBitWeight.quantize(
        on(Creation.randn(DType.FLOAT32, rows, columns)), type, blockSize, nested);
  }
}
