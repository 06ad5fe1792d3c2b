package org.peftjava.it.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.GradientNormKernel;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Times a step of AdamW with float32 and with 8-bit state, over adapters like those of a LoRA of
 * all linear layers of a 7B model, and a plain read of 256 MB, in turns; the best of each counts.
 *
 * <p>Run the main method; {@code -Dpeftjava.kernels=off} gives the times on libtorch's operators.
 */
public final class OptimizerBench {
  private static final int PARAMETERS = 160;
  private static final long NUMBERS = 16 * 11_008;
  private static final long READ_BYTES = 256 << 20;
  private static final int CALLS = 8;

  private OptimizerBench() {}

  public static void main(String[] args) {
    NativeRuntime.ensureLoaded();
    System.out.println(NativeKernels.describe());
    try (TensorScope scope = TensorScope.open("bench")) {
      Map<String, Parameter> parameters = parameters();
      Tensor read = Creation.ones(DType.FLOAT32, READ_BYTES / 4);
      try (Optimizer plain = new AdamW(parameters, AdamW.Options.defaults());
          Optimizer coded = new AdamW8bit(parameters, AdamW.Options.defaults(), Set.of())) {
        double[] best = {Double.MAX_VALUE, Double.MAX_VALUE, Double.MAX_VALUE};
        for (int call = 0; call < CALLS; call++) {
          List<Runnable> turns = List.of(plain::step, coded::step, () -> readAll(read));
          for (int i = 0; i < turns.size(); i++) {
            long start = System.nanoTime();
            turns.get(i).run();
            best[i] = Math.min(best[i], (System.nanoTime() - start) * 1e-9);
          }
        }
        double rate = READ_BYTES / best[2];
        // p, g, m and v are read and all but g are written
        report("float32 state", best[0], 7 * 4, rate);
        report("8-bit state", best[1], 3 * 4 + 4 + 4 * 4 / 256.0, rate);
      }
      parameters.values().forEach(Parameter::close);
    }
  }

  private static void report(String name, double seconds, double bytes, double rate) {
    double each = seconds / (PARAMETERS * NUMBERS);
    System.out.printf(
        Locale.ROOT,
        "%s: %.3f ms, %.3f ns a number, %.1f bytes a number, %.2f of a plain read of %.1f GB/s%n",
        name,
        seconds * 1e3,
        each * 1e9,
        bytes,
        bytes / each / rate,
        rate / 1e9);
  }

  private static Map<String, Parameter> parameters() {
    Map<String, Parameter> result = new LinkedHashMap<>();
    for (int i = 0; i < PARAMETERS; i++) {
      Tensor values = Creation.randn(DType.FLOAT32, NUMBERS);
      Parameter parameter = new Parameter(values.shape(), values.dtype(), Init.zeros());
      parameter.adopt(values);
      parameter.tensor().setGrad(Creation.randn(DType.FLOAT32, NUMBERS));
      result.put("lora." + i, parameter);
    }
    return result;
  }

  private static void readAll(Tensor read) {
    if (!NativeKernels.available()) {
      try (TensorScope scope = TensorScope.open("read")) {
        read.max().toDouble();
      }
      return;
    }
    GradientNormKernel.squaredNorm(
        ElementType.FLOAT32,
        new long[] {read.address()},
        new long[] {read.numel()},
        NativeRuntime.threads());
  }
}
