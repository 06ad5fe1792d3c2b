package org.peftjava.torch;

import java.util.List;
import java.util.function.IntConsumer;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Prints, for some work done many times, live tensors and resident memory after a warm-up and at
 * the end: for a test that needs a small heap of its own.
 */
public final class MemoryProbe {
  private MemoryProbe() {}

  public static void main(String[] args) {
    NativeRuntime.setThreads(1);
    measure("custom", 10_000, MemoryProbe::customGradient);
    measure("checkpoint", 2_000, MemoryProbe::checkpoint);
    measure("failing", 2_000, MemoryProbe::failingBackward);
    measure("forward", 2_000, MemoryProbe::forwardOnly);
  }

  private static void measure(String name, int times, IntConsumer work) {
    for (int i = 0; i < times; i++) {
      work.accept(i);
    }
    long tensors = TensorLedger.liveTensors();
    long before = settledBytes();
    for (int i = 0; i < times; i++) {
      work.accept(i);
    }
    System.out.println(
        name + " " + (TensorLedger.liveTensors() - tensors) + " " + (settledBytes() - before));
  }

  /** Resident memory after the collector has freed what it finds. */
  private static long settledBytes() {
    for (int i = 0; i < 3; i++) {
      System.gc();
      try {
        Thread.sleep(50); // for the thread that frees native memory
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
    return NativeRuntime.residentBytes();
  }

  private static void customGradient(int i) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor x = Creation.full(DType.FLOAT32, i, 64, 64).requiresGrad(true);
      squared(x).sum().backward();
    }
  }

  private static void checkpoint(int i) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor x = Creation.full(DType.FLOAT32, i, 64, 64).requiresGrad(true);
      Tensor y = Checkpoint.run(in -> Dropouts.dropout(squared(in.get(0)), 0.5), List.of(x));
      y.sum().backward();
    }
  }

  private static void forwardOnly(int i) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      squared(Creation.full(DType.FLOAT32, i, 64, 64).requiresGrad(true));
    }
  }

  private static void failingBackward(int i) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor x = Creation.full(DType.FLOAT32, i, 64, 64).requiresGrad(true);
      Tensor y =
          CustomGradient.of(
              x.detach().mul(2),
              List.of(x),
              List.of(x),
              (gradient, saved) -> {
                throw new ArithmeticException("on purpose");
              });
      squared(y).sum().backward();
      throw new IllegalStateException("no exception arrived");
    } catch (ArithmeticException expected) {
      return;
    }
  }

  private static Tensor squared(Tensor x) {
    return CustomGradient.of(
        x.detach().mul(x.detach()),
        List.of(x),
        List.of(x),
        (gradient, saved) -> List.of(gradient.mul(saved.get(0)).mulInPlace(2)));
  }
}
