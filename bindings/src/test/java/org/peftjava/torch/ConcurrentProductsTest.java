package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Products and factorisations of several threads: the numbers of one thread, on the stacks that
 * Java gives to threads.
 */
@Tag("portable")
@Timeout(200)
@ExtendWith(LedgerCheck.class)
class ConcurrentProductsTest {
  private static final int THREADS = 3;
  private static final int ROUNDS = 25;
  private static final int SIZE = 260;

  private static float[] numbers() {
    Random random = new Random(3);
    float[] values = new float[SIZE * SIZE];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static float[] result(UnaryOperator<Tensor> operator) {
    try (TensorScope scope = TensorScope.open("thread");
        GradMode off = GradMode.noGrad()) {
      Tensor x = Creation.ofFloats(numbers(), SIZE, SIZE);
      Tensor regular = LinearAlgebra.identity(DType.FLOAT32, Device.CPU, SIZE).mul(30).add(x);
      return operator.apply(regular).toFloats();
    }
  }

  @Test
  void severalThreadsGetWhatOneGets() throws InterruptedException, ExecutionException {
    List<UnaryOperator<Tensor>> operators =
        List.of(
            x -> x.matmul(x),
            LinearAlgebra::inverse,
            x -> Creation.stack(List.of(x, x), 0).matmul(x),
            x -> LinearAlgebra.solve(x, x.t()),
            x -> LinearAlgebra.svd(x).s());
    List<float[]> alone = operators.stream().map(ConcurrentProductsTest::result).toList();
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      List<Future<?>> futures = new ArrayList<>();
      for (int thread = 0; thread < THREADS; thread++) {
        int first = thread;
        futures.add(
            threads.submit(
                () -> {
                  for (int round = 0; round < ROUNDS; round++) {
                    int i = (first + round) % operators.size();
                    assertArrayEquals(alone.get(i), result(operators.get(i)), 0.05f);
                  }
                }));
      }
      for (Future<?> future : futures) {
        assertNull(future.get());
      }
    } finally {
      threads.shutdownNow();
    }
  }

  /** Without a thread of its own, a factorisation of this size ends the process. */
  @Test
  void factorisationsFitIntoSmallStacks() throws InterruptedException {
    AtomicReference<String> outcome = new AtomicReference<>();
    Runnable work =
        () -> {
          try (TensorScope scope = TensorScope.openGraph("small stack")) {
            Tensor x = LinearAlgebra.identity(DType.FLOAT64, Device.CPU, 700).mul(2);
            x.requiresGrad(true);
            Tensor half = LinearAlgebra.inverse(x);
            assertEquals(350, half.sum().toDouble(), 1e-9);
            half.sum().backward(); // d sum(X^-1) / dX = -(X^-T 1 1^T X^-T)
            float[] gradient = x.grad().orElseThrow().toFloats();
            assertEquals(-0.25f, gradient[0]);
            Tensor solution = LinearAlgebra.solve(x.detach(), x.detach());
            assertEquals(700, solution.sum().toDouble(), 1e-9);
            try (GradMode off = GradMode.noGrad()) {
              assertTrue(LinearAlgebra.inverse(x).grad().isEmpty());
            }
            outcome.set("done");
          } catch (RuntimeException | Error e) {
            outcome.set(e.toString());
          }
        };
    Thread thread = new Thread(null, work, "small", 256 << 10);
    thread.start();
    thread.join();
    assertEquals("done", outcome.get());
  }

  @Test
  void errorsAndInterruptsComeThrough() {
    try (TensorScope scope = TensorScope.open("test")) {
      Thread.currentThread().interrupt();
      Tensor singular = Creation.zeros(DType.FLOAT32, 300, 300);
      RuntimeException error = null;
      try {
        LinearAlgebra.inverse(singular);
      } catch (RuntimeException e) {
        error = e;
      }
      assertTrue(Thread.interrupted());
      assertTrue(error instanceof TorchException, String.valueOf(error));
    }
  }
}
