package org.peftjava.torch;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.peftjava.quant.ScopedTest;
import org.peftjava.quant.bnb.CountingLauncher;
import org.peftjava.torch.cuda.KernelLauncher;

/** A test whose tensors are worked on by the kernels of a training step, somewhere. */
abstract class CardContract extends ScopedTest {
  final Device device;
  private final KernelLauncher kernels;
  CountingLauncher counting;
  private CardTensors.Closing standIn;

  CardContract(Device device, KernelLauncher kernels) {
    this.device = device;
    this.kernels = kernels;
  }

  @BeforeEach
  final void useTheKernels() {
    counting = new CountingLauncher(kernels);
    standIn = CardPath.CARDS.standIn(device, counting);
  }

  @AfterEach
  final void stopUsingThem() {
    standIn.close();
  }

  /** A tensor where the kernels work. */
  final Tensor on(Tensor tensor) {
    return tensor.to(device);
  }

  static Tensor random(DType type, long... sizes) {
    return Creation.randn(DType.FLOAT32, sizes).to(type);
  }
}
