package org.peftjava.quant.bnb;

import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/**
 * A test whose tensors are worked on by the CUDA kernels, somewhere; and the counts of what ran.
 */
abstract class CudaContract extends ScopedTest {
  static final DType[] TYPES = {DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16};

  private final KernelPlace place;
  private CountingLauncher counting;
  private CardTensors.Closing standIn;

  CudaContract(KernelPlace place) {
    this.place = place;
  }

  @BeforeEach
  final void useTheKernels() {
    counting = new CountingLauncher(place.open().get());
    standIn = CudaMemory.CARDS.standIn(place.device(), counting);
  }

  @AfterEach
  final void stopUsingThem() {
    standIn.close();
  }

  /** A tensor where the kernels work. */
  final Tensor on(Tensor tensor) {
    return tensor.to(place.device());
  }

  /** How often a kernel, or all whose names start so, were launched in this test. */
  final int launches(String kernel) {
    return counting.launches(kernel);
  }

  /** What something gives on the CPU without these kernels. */
  final <T> T withoutKernels(Supplier<T> action) {
    CardTensors.Closing none = CudaMemory.CARDS.standIn(Device.CPU, null);
    try {
      return action.get();
    } finally {
      none.close();
    }
  }

  /** A vector between others that nothing may write; its first element is off every boundary. */
  final Tensor guarded(DType type, long n) {
    return on(Creation.full(type, 77, n + 64)).narrow(0, 33, n);
  }

  /** The elements in front of a guarded vector and behind it. */
  static byte[] guards(Tensor whole, long n) {
    Tensor front = whole.narrow(0, 0, 33);
    Tensor back = whole.narrow(0, 33 + n, 31);
    return Creation.cat(List.of(front, back), 0).toBytes();
  }
}
