package org.peftjava.it.bench;

import java.util.Locale;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.peftjava.torch.kernels.AdamWKernel;
import org.peftjava.torch.kernels.CrossEntropyKernel;
import org.peftjava.torch.kernels.DropoutKernel;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.ElementwiseKernel;
import org.peftjava.torch.kernels.GradientNormKernel;
import org.peftjava.torch.kernels.LayerNormKernel;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.kernels.SmallProductKernel;

/**
 * Times the native kernels against this machine's memory bandwidth and against libtorch's
 * operators.
 *
 * <p>Each line: best of several batches, bytes that must move by the definition of the kernel,
 * GB/s, share of the bandwidth of a plain read (of 512 MB, by the same threads), and the time of
 * the libtorch operators that do the same. Run the main method with an optional number of threads.
 */
public final class KernelBench {
  private static final ElementType[] TYPES = ElementType.values();

  private final int threads;
  private final double readBandwidth;

  private KernelBench(int threads) {
    this.threads = threads;
    torch.set_num_threads(threads);
    try (PointerScope scope = new PointerScope()) {
      Tensor big = torch.ones(128L << 20);
      long[] address = {big.data_ptr().address()};
      long[] count = {128L << 20};
      double seconds =
          best(() -> GradientNormKernel.squaredNorm(ElementType.FLOAT32, address, count, threads));
      readBandwidth = (512L << 20) / seconds;
    }
    System.out.printf(
        Locale.ROOT, "%s; plain read %.1f GB/s%n", NativeKernels.describe(), readBandwidth / 1e9);
  }

  public static void main(String[] args) {
    System.setProperty("org.bytedeco.javacpp.maxPhysicalBytes", "0");
    System.setProperty("org.bytedeco.javacpp.maxBytes", "0");
    Loader.load(torch.class);
    KernelBench bench = new KernelBench(args.length > 0 ? Integer.parseInt(args[0]) : 2);
    try (PointerScope scope = new PointerScope()) {
      for (ElementType type : TYPES) {
        for (int m : new int[] {1, 2, 4, 8}) {
          bench.product(type, m, 8192, 4096);
        }
        bench.product(type, 1, 768, 768);
        bench.product(type, 1, 50272, 768);
      }
      for (ElementType type : TYPES) {
        bench.crossEntropy(type, 512, 50272);
      }
      for (ElementType type : TYPES) {
        bench.dropout(type, 16 << 20, 0.1);
        bench.dropout(type, 16 << 20, 0.0);
        bench.layerNorm(type, 8192, 768);
        bench.elementwise(type, 4096, 3072);
      }
      bench.adamw(64, 1 << 18);
    }
  }

  private void product(ElementType type, int m, long n, long k) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(type, m, k);
      Tensor w = random(type, n, k);
      Tensor y = random(type, m, n);
      double ours =
          best(
              () ->
                  SmallProductKernel.product(
                      type,
                      address(x),
                      k,
                      address(w),
                      k,
                      false,
                      0,
                      address(y),
                      n,
                      m,
                      n,
                      k,
                      threads));
      double theirs = best(() -> torch.linear(x, w));
      report(
          String.format("product %s m=%d %dx%d", type, m, n, k), n * k * bytes(type), ours, theirs);
    }
  }

  private void crossEntropy(ElementType type, long rows, long vocabulary) {
    try (PointerScope scope = new PointerScope()) {
      Tensor logits = random(type, rows, vocabulary);
      Tensor targets = torch.randint(vocabulary, new long[] {rows}).to(torch.ScalarType.Long);
      long bytes = rows * vocabulary * bytes(type);
      double loss =
          best(
              () ->
                  CrossEntropyKernel.lossSum(
                      type,
                      address(logits),
                      vocabulary,
                      address(targets),
                      0,
                      rows,
                      vocabulary,
                      threads));
      double theirLoss = best(() -> torch.log_softmax(logits, -1));
      report("cross entropy " + type, bytes, loss, theirLoss);
      double theirs =
          best(
              () -> {
                Tensor logp = torch.log_softmax(logits.to(torch.ScalarType.Float), -1);
                logp.exp_().to(logits.scalar_type());
              });
      // Values drift with each in-place gradient; the work does not.
      double both =
          best(
              () ->
                  CrossEntropyKernel.lossSumAndGradient(
                      type,
                      address(logits),
                      vocabulary,
                      address(targets),
                      0,
                      rows,
                      vocabulary,
                      10.0,
                      threads));
      report("cross entropy + gradient " + type, 2 * bytes, both, theirs);
    }
  }

  private void dropout(ElementType type, long count, double p) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(type, count);
      Tensor y = random(ElementType.FLOAT32, count);
      double ours =
          best(
              () ->
                  DropoutKernel.forward(
                      type, address(x), ElementType.FLOAT32, address(y), count, p, 1, 2, threads));
      double theirs =
          best(
              () -> {
                Tensor wide = x.to(torch.ScalarType.Float);
                if (p > 0) {
                  torch.dropout(wide, p, true);
                }
              });
      // A store reads its cache line first.
      report(
          "dropout p=" + p + " " + type + " to FLOAT32", count * (bytes(type) + 8), ours, theirs);
    }
  }

  private void layerNorm(ElementType type, long rows, long width) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(type, rows, width);
      Tensor r = random(type, rows, width);
      Tensor h = random(type, rows, width);
      Tensor y = random(type, rows, width);
      Tensor w = random(type, width);
      Tensor b = random(type, width);
      Tensor mean = random(ElementType.FLOAT32, rows);
      Tensor rstd = random(ElementType.FLOAT32, rows);
      long pass = rows * width * bytes(type);
      double fused =
          best(
              () ->
                  LayerNormKernel.forwardResidual(
                      type,
                      type,
                      address(x),
                      address(r),
                      address(h),
                      address(w),
                      address(b),
                      address(y),
                      address(mean),
                      address(rstd),
                      rows,
                      width,
                      1e-5,
                      threads));
      double theirs =
          best(
              () ->
                  torch.layer_norm(
                      x.add(r),
                      new long[] {width},
                      new TensorOptional(w),
                      new TensorOptional(b),
                      1e-5,
                      false));
      report("residual + layer norm " + type, 6 * pass, fused, theirs);
      double backward =
          best(
              () ->
                  LayerNormKernel.backward(
                      type,
                      type,
                      address(y),
                      address(h),
                      address(w),
                      address(mean),
                      address(rstd),
                      0,
                      address(x),
                      0,
                      0,
                      rows,
                      width,
                      threads));
      report("layer norm backward " + type, 4 * pass, backward, Double.NaN);
    }
  }

  private void elementwise(ElementType type, long rows, long width) {
    try (PointerScope scope = new PointerScope()) {
      Tensor y = random(type, rows, width);
      Tensor g = random(type, rows, width);
      Tensor b = random(type, width);
      long pass = rows * width * bytes(type);
      report(
          "bias + relu " + type,
          2 * pass,
          best(
              () ->
                  ElementwiseKernel.biasRelu(
                      type, address(y), width, type, address(b), rows, width, threads)),
          best(() -> y.add_(b).relu_()));
      report(
          "relu gradient " + type,
          3 * pass,
          best(
              () ->
                  ElementwiseKernel.reluGradient(
                      type, address(g), address(y), address(g), rows * width, threads)),
          best(() -> torch.threshold_backward(g, y, new Scalar(0.0))));
    }
  }

  private void adamw(int parameters, long count) {
    try (PointerScope scope = new PointerScope()) {
      long[][] lists = new long[4][parameters];
      long[] counts = new long[parameters];
      Tensor[][] tensors = new Tensor[4][parameters];
      for (int i = 0; i < parameters; i++) {
        counts[i] = count;
        for (int list = 0; list < 4; list++) {
          tensors[list][i] = random(ElementType.FLOAT32, count).abs();
          lists[list][i] = address(tensors[list][i]);
        }
      }
      double ours =
          best(
              () ->
                  AdamWKernel.step(
                      lists[0], lists[1], lists[2], lists[3], counts, 1.0, 1e-4, 0.9, 0.999, 1e-8,
                      0.01, 5, threads));
      double theirs =
          best(
              () -> {
                for (int i = 0; i < parameters; i++) {
                  tensors[0][i].mul_(new Scalar(0.999));
                  tensors[2][i].lerp_(tensors[1][i], new Scalar(0.1));
                  tensors[3][i].mul_(new Scalar(0.999));
                  tensors[3][i].addcmul_(tensors[1][i], tensors[1][i], new Scalar(0.001));
                  Tensor denominator = tensors[3][i].sqrt().div_(new Scalar(0.1));
                  denominator.add_(new Scalar(1e-8));
                  tensors[0][i].addcdiv_(tensors[2][i], denominator, new Scalar(-1e-4));
                }
              });
      report("adamw " + parameters + " x " + count, parameters * count * 28, ours, theirs);
      double norm =
          best(
              () -> GradientNormKernel.squaredNorm(ElementType.FLOAT32, lists[1], counts, threads));
      double theirNorm =
          best(
              () -> {
                for (Tensor gradient : tensors[1]) {
                  gradient.norm();
                }
              });
      report("squared norm " + parameters + " x " + count, parameters * count * 4, norm, theirNorm);
    }
  }

  private void report(String name, long bytes, double seconds, double libtorchSeconds) {
    double rate = bytes / seconds;
    System.out.printf(
        Locale.ROOT,
        "%-44s %10.1f us %7.1f GB/s %4.0f %%   libtorch %10.1f us%n",
        name,
        seconds * 1e6,
        rate / 1e9,
        100 * rate / readBandwidth,
        libtorchSeconds * 1e6);
  }

  /**
   * Seconds of one call: the best of many short batches, because a busy machine spoils long ones.
   */
  private static double best(Runnable call) {
    double once = time(call, 3) / 3;
    int calls = (int) Math.max(1, Math.min(20_000, 0.005 / once));
    double best = Double.MAX_VALUE;
    for (int batch = 0; batch < 40; batch++) {
      best = Math.min(best, time(call, calls) / calls);
    }
    return best;
  }

  private static double time(Runnable call, int calls) {
    long start = System.nanoTime();
    for (int i = 0; i < calls; i++) {
      try (PointerScope scope = new PointerScope()) {
        call.run();
      }
    }
    return (System.nanoTime() - start) * 1e-9;
  }

  private static Tensor random(ElementType type, long... shape) {
    Tensor values = torch.randn(shape);
    return type == ElementType.FLOAT32 ? values : values.to(torch.ScalarType.BFloat16);
  }

  private static long address(Tensor tensor) {
    return tensor.data_ptr().address();
  }

  private static long bytes(ElementType type) {
    return type.bytes();
  }
}
