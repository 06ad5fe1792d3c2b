package org.peftjava.it.bench;

import static org.peftjava.it.bench.GpuBench.CARD;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.EightBitWeight;
import org.peftjava.quant.bnb.FourBitWeight;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.Cards;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/** Single operations on an NVIDIA card, for {@link GpuBench}. */
final class GpuKernels {
  /** More weights than a card's cache holds. */
  private static final long ROTATION = 400_000_000;

  private GpuKernels() {}

  /** Products of dense, NF4 and int8 weights, and the making of a dense weight. */
  static void products(String shape, long out, long in) {
    try (TensorScope scope = TensorScope.open("kernels");
        GradMode off = GradMode.noGrad()) {
      Tensor dense = Creation.randn(DType.BFLOAT16, out, in).mulInPlace(0.02).to(CARD);
      List<Tensor> plain = rotation(2 * out * in, i -> dense.copy());
      List<FourBitWeight> four =
          rotation(out * in / 2, i -> FourBitWeight.quantize(dense, QuantType.NF4, 64, true));
      List<EightBitWeight> eight =
          rotation(out * in, i -> EightBitWeight.quantize(dense, DType.BFLOAT16, 6.0));
      double seconds = seconds(i -> of(four, i).dequantize(DType.BFLOAT16));
      double bytes = four.get(0).bytes() + 2.0 * out * in;
      report("dequantize", shape, "nf4", 0, seconds, "gb_per_s", bytes / seconds / 1e9);
      for (long m : new long[] {1, 4, 8, 16, 32, 64, 512, 2048}) {
        Tensor x = Creation.randn(DType.BFLOAT16, m, in).to(CARD);
        Tensor g = Creation.randn(DType.BFLOAT16, m, out).to(CARD);
        report("forward", shape, "none", m, seconds(i -> MatrixOps.linear(x, of(plain, i), null)));
        report("forward", shape, "nf4", m, seconds(i -> of(four, i).product(x, null, true)));
        report("forward", shape, "int8", m, seconds(i -> of(eight, i).product(x, null, true)));
        report(
            "backward", shape, "none", m, seconds(i -> MatrixOps.inputGradient(g, of(plain, i))));
        report("backward", shape, "nf4", m, seconds(i -> of(four, i).inputGradient(g)));
      }
      four.forEach(QuantizedWeight::close);
      eight.forEach(QuantizedWeight::close);
    }
  }

  /** A step of 8-bit AdamW on 40 million numbers, as a LoRA of 7 billion has. */
  static void optimizer() {
    long count = CARD.isCuda() ? 40_000_000 : 40_000;
    try (TensorScope scope = TensorScope.open("optimizer")) {
      Tensor start = Creation.zeros(DType.FLOAT32, CARD, count);
      try (Parameter parameter = new Parameter(start.shape(), DType.FLOAT32, Init.zeros());
          AdamW8bit adamw =
              new AdamW8bit(Map.of("p", parameter), AdamW.Options.defaults(), Set.of())) {
        parameter.adopt(start);
        parameter.tensor().setGrad(Creation.ones(DType.FLOAT32, count).to(CARD));
        report("adamw8bit", "" + count, "int8", 0, seconds(i -> adamw.step()));
        parameter.zeroGrad();
      }
    }
  }

  static void await() {
    if (CARD.isCuda()) {
      Cards.synchronize(CARD.index());
    }
  }

  private static <T> List<T> rotation(long bytes, IntFunction<T> make) {
    List<T> result = new ArrayList<>();
    for (int i = 0; i * bytes <= ROTATION && i < 200; i++) {
      result.add(make.apply(i));
    }
    return result;
  }

  private static <T> T of(List<T> rotation, int i) {
    return rotation.get(i % rotation.size());
  }

  /** Of one call in a row of 50, the best of 5 rows. */
  private static double seconds(IntConsumer call) {
    double best = Double.POSITIVE_INFINITY;
    for (int round = -1; round < 5; round++) {
      await();
      long start = System.nanoTime();
      for (int i = 0; i < 50; i++) {
        try (TensorScope scope = TensorScope.open("call")) {
          call.accept(i);
        }
      }
      await();
      double taken = (System.nanoTime() - start) / 50e9;
      best = round < 0 ? best : Math.min(best, taken);
    }
    return best;
  }

  private static void report(
      String bench, String shape, String quantized, long m, double seconds, Object... more) {
    List<Object> all =
        new ArrayList<>(
            List.of("side", "java", "bench", bench, "shape", shape, "quantized", quantized));
    all.addAll(List.of("m", m, "us", seconds * 1e6));
    all.addAll(List.of(more));
    BenchModels.print(all.toArray());
  }
}
