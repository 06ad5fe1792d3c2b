package org.peftjava.it.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;
import java.util.function.LongFunction;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.quant.bnb.EightBitWeight;
import org.peftjava.quant.bnb.FourBitWeight;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.GradientNormKernel;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Times the products of quantized layers, forward and for the gradient of x, against those of a
 * dense layer of the same shape and type, and decoding against the time of reading the weight's
 * bytes.
 *
 * <p>Weights rotate through more memory than a cache holds. The samples of all contenders take
 * turns, and each contender's best one counts, because a busy machine spoils the others. Run the
 * main method, with an optional number of seconds for each line (3) and shapes such as 4096x4096.
 */
public final class QuantBench {
  private static final long ROTATION = 160_000_000;
  private static final long READ_BYTES = 256 << 20;

  private final double seconds;
  private final Tensor read = Creation.ones(DType.FLOAT32, READ_BYTES / 4);

  private QuantBench(double seconds) {
    this.seconds = seconds;
  }

  public static void main(String[] args) {
    NativeRuntime.ensureLoaded();
    System.out.println(NativeKernels.describe());
    try (TensorScope scope = TensorScope.open("bench");
        GradMode off = GradMode.noGrad()) {
      QuantBench bench = new QuantBench(args.length > 0 ? Double.parseDouble(args[0]) : 3);
      System.out.println(
          "weight | out x in, type | M | plain f | f (x plain) | plain f+b | f+b (x plain) | f of"
              + " reading");
      List<String> shapes = List.of("1024x1024", "4096x4096", "11008x4096");
      for (String name : args.length > 1 ? List.of(args).subList(1, args.length) : shapes) {
        String[] sizes = name.split("x", 2);
        long[] shape = {Long.parseLong(sizes[0]), Long.parseLong(sizes[1])};
        for (DType type : List.of(DType.BFLOAT16, DType.FLOAT32)) {
          bench.weights(
              "nf4", type, shape, w -> FourBitWeight.quantize(w, QuantType.NF4, 64, true));
        }
        bench.weights(
            "int8", DType.BFLOAT16, shape, w -> EightBitWeight.quantize(w, w.dtype(), 6.0));
      }
    }
  }

  private interface Quantizer {
    QuantizedWeight quantize(Tensor dense);
  }

  private void weights(String name, DType type, long[] shape, Quantizer quantizer) {
    try (TensorScope scope = TensorScope.open("weights")) {
      List<Tensor> dense =
          rotation(
              shape[0] * shape[1] * type.byteSize(),
              i -> Creation.randn(type, shape).mulInPlace(0.02));
      QuantizedWeight first = quantizer.quantize(dense.get(0));
      List<QuantizedWeight> packed = rotation(first.bytes(), i -> quantizer.quantize(dense.get(0)));
      for (long m : new long[] {1, 8, 128, 512}) {
        line(name, type, m, dense, packed);
      }
      packed.forEach(QuantizedWeight::close);
      first.close();
    }
  }

  private static <T> List<T> rotation(long bytes, LongFunction<T> make) {
    List<T> result = new ArrayList<>();
    for (long i = 0; i * bytes <= ROTATION; i++) {
      result.add(make.apply(i));
    }
    return result;
  }

  private void line(
      String name, DType type, long m, List<Tensor> dense, List<QuantizedWeight> packed) {
    try (TensorScope scope = TensorScope.open("line")) {
      long out = dense.get(0).size(0);
      long in = dense.get(0).size(1);
      Tensor x = Creation.randn(type, m, in);
      Tensor g = Creation.randn(type, m, out);
      boolean int8 = name.equals("int8");
      double[] best =
          best(
              i -> MatrixOps.linear(x, of(dense, i), null),
              i -> of(packed, i).product(x, null, !int8),
              i -> MatrixOps.inputGradient(g, of(dense, i)),
              i -> of(packed, i).inputGradient(g),
              i -> readAll());
      double readTime = best[4] * of(packed, 0).bytes() / READ_BYTES;
      System.out.printf(
          Locale.ROOT,
          "%s | %dx%d %s | %d | %.3f | %.3f (%.2f) | %.3f | %.3f (%.2f) | %.2f (%.1f GB/s)%n",
          name,
          out,
          in,
          type,
          m,
          best[0] * 1e3,
          best[1] * 1e3,
          best[1] / best[0],
          (best[0] + best[2]) * 1e3,
          (best[1] + best[3]) * 1e3,
          (best[1] + best[3]) / (best[0] + best[2]),
          best[1] / readTime,
          READ_BYTES / best[4] / 1e9);
    }
  }

  private static <T> T of(List<T> list, int i) {
    return list.get(i % list.size());
  }

  private void readAll() {
    GradientNormKernel.squaredNorm(
        ElementType.FLOAT32,
        new long[] {read.address()},
        new long[] {read.numel()},
        NativeRuntime.threads());
  }

  /** Seconds of one call of each contender: the best of samples that take turns. */
  private double[] best(IntConsumer... contenders) {
    double[] result = new double[contenders.length];
    java.util.Arrays.fill(result, Double.MAX_VALUE);
    int call = 0;
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < end || call < 20) {
      for (int c = 0; c < contenders.length; c++) {
        try (TensorScope scope = TensorScope.open("sample")) {
          long start = System.nanoTime();
          contenders[c].accept(call);
          result[c] = Math.min(result[c], (System.nanoTime() - start) * 1e-9);
        }
      }
      call++;
    }
    return result;
  }
}
