package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;

/** The kernels, compiled for the CPU. */
@Tag("cuda-emulation")
class CudaFourBitTilesEmulationTest extends CudaFourBitTilesContract {
  CudaFourBitTilesEmulationTest() {
    super(KernelPlace.CPU);
  }

  /** Before 8.0 the ways that there were. */
  @Test
  void olderCards() {
    CountingLauncher old = new CountingLauncher(new EmulatedLauncher(75));
    try (CardTensors.Closing until = CudaMemory.CARDS.standIn(Device.CPU, old);
        FourBitWeight weight =
            FourBitWeight.quantize(
                Creation.randn(DType.FLOAT32, 9, 128), QuantType.NF4, 64, true)) {
      weight.product(Creation.randn(DType.BFLOAT16, 3, 128), null, false);
      assertEquals(1, old.launches("fourBitProduct4BF16"));
      weight.product(Creation.randn(DType.BFLOAT16, 9, 128), null, false);
      assertEquals(1, old.launches("fourBitDequantizeBF16"));
      assertEquals(0, old.launches("fourBitTiles"));
    }
  }
}
