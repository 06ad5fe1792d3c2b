package org.peftjava.torch.optim;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.kernels.AdamWKernel;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.runtime.NativeRuntime;

/** One AdamW step of many parameters in one native call: adapters have many small ones. */
final class FusedAdamW {
  private final List<Tensor> parameters = new ArrayList<>();
  private final List<Tensor> gradients = new ArrayList<>();
  private final List<Tensor> means = new ArrayList<>();
  private final List<Tensor> squares = new ArrayList<>();

  /** Whether the kernel can work on these: float32, gapless, on the CPU. */
  static boolean covers(Tensor parameter, Tensor gradient) {
    return NativeKernels.available() && plain(parameter) && plain(gradient);
  }

  private static boolean plain(Tensor tensor) {
    return tensor.dtype() == DType.FLOAT32
        && tensor.device().equals(Device.CPU)
        && tensor.isContiguous();
  }

  void add(Tensor parameter, Tensor gradient, Tensor mean, Tensor square) {
    parameters.add(parameter);
    gradients.add(gradient);
    means.add(mean);
    squares.add(square);
  }

  void run(AdamW.Options options, double learningRate, long step) {
    AdamWKernel.step(
        longs(parameters, Tensor::address),
        longs(gradients, Tensor::address),
        longs(means, Tensor::address),
        longs(squares, Tensor::address),
        longs(parameters, Tensor::numel),
        1,
        learningRate,
        options.beta1(),
        options.beta2(),
        options.eps(),
        options.weightDecay(),
        step,
        NativeRuntime.threads());
  }

  private static long[] longs(List<Tensor> tensors, ToLongFunction<Tensor> property) {
    return tensors.stream().mapToLong(property).toArray();
  }
}
