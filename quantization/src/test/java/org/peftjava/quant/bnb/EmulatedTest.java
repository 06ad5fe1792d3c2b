package org.peftjava.quant.bnb;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/** A test whose tensors are worked on by the CUDA kernels, compiled for the CPU. */
@Tag("cuda-emulation")
abstract class EmulatedTest extends ScopedTest {
  static final DType[] TYPES = {DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16};

  private EmulatedLauncher launcher;
  private CudaMemory.Closing standIn;

  @BeforeEach
  final void useTheKernels() {
    launcher = new EmulatedLauncher();
    standIn = CudaMemory.standIn(launcher);
  }

  @AfterEach
  final void stopUsingThem() {
    standIn.close();
  }

  /** How often a kernel, or all whose names start so, were launched in this test. */
  final int launches(String kernel) {
    return launcher.launched().entrySet().stream()
        .filter(entry -> entry.getKey().startsWith(kernel))
        .mapToInt(entry -> entry.getValue())
        .sum();
  }

  /** Does something without these kernels. */
  final void withoutKernels(Runnable action) {
    standIn.close();
    try {
      action.run();
    } finally {
      standIn = CudaMemory.standIn(launcher);
    }
  }

  /** A vector between others that nothing may write; its first element is off every boundary. */
  static Tensor guarded(DType type, long n) {
    return Creation.full(type, 77, n + 64).narrow(0, 33, n);
  }

  /** The elements in front of a guarded vector and behind it. */
  static byte[] guards(Tensor whole, long n) {
    Tensor front = whole.narrow(0, 0, 33);
    Tensor back = whole.narrow(0, 33 + n, 31);
    return Creation.cat(java.util.List.of(front, back), 0).toBytes();
  }
}
