package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.kernels.WideProductKernel;

/**
 * Products with a frozen weight of x's type by {@link WideProductKernel}. Letters as in {@link
 * MatrixOps}.
 */
final class WideProduct {
  private WideProduct() {}

  /**
   * Whether the kernel takes {@code x W^T} (turned) or {@code x W}, and nothing but x may need a
   * gradient.
   */
  static boolean covers(Tensor x, Tensor weight, @Nullable Tensor bias, boolean turned) {
    return (x.dtype() == DType.FLOAT32 || x.dtype() == DType.BFLOAT16)
        && x.rank() > 0
        && weight.dtype() == x.dtype()
        && weight.rank() == 2
        && weight.size(turned ? 1 : 0) == x.size(-1)
        && x.numel() > 0
        && WideProductKernel.pays(FastPath.type(x), turned, x.numel() / x.size(-1))
        && WideProductKernel.occupies(weight.size(turned ? 0 : 1), FastPath.threads())
        && x.isOnCpu()
        && FastPath.covers(weight)
        && WideProductKernel.available(FastPath.type(x))
        && !weight.recordsGrad()
        && (bias == null
            || (isBias(bias, x.dtype(), weight.size(turned ? 0 : 1)) && !bias.recordsGrad()));
  }

  private static boolean isBias(Tensor bias, DType type, long size) {
    return bias.rank() == 1
        && bias.numel() == size
        && bias.dtype() == type
        && FastPath.covers(bias);
  }

  /** {@code x W^T + bias} (turned) or {@code x W + bias}, differentiable in x. */
  static Tensor of(Tensor x, Tensor weight, @Nullable Tensor bias, boolean turned) {
    Tensor value = product(x, weight, bias, turned);
    return CustomGradient.of(
        value,
        List.of(x),
        List.of(weight),
        (gradient, saved) -> Arrays.asList(gradient(gradient, saved.get(0), turned)));
  }

  private static Tensor gradient(Tensor gradient, Tensor weight, boolean turned) {
    if (covers(gradient, weight, null, !turned)) {
      return product(gradient, weight, null, !turned);
    }
    return gradient.matmul(turned ? weight : weight.t());
  }

  /** The same outside the graph. */
  static Tensor product(Tensor x, Tensor weight, @Nullable Tensor bias, boolean turned) {
    long[] sizes = x.shape().toArray();
    sizes[sizes.length - 1] = weight.size(turned ? 0 : 1);
    Tensor value = Creation.empty(x.dtype(), Device.CPU, sizes);
    try (TensorScope scope = TensorScope.open("product");
        GradMode off = GradMode.noGrad()) {
      into(value, x.detach().contiguous(), weight, bias, turned);
    }
    return value;
  }

  /** Writes it into a gapless tensor. */
  static void into(Tensor y, Tensor x, Tensor weight, @Nullable Tensor bias, boolean turned) {
    WideProductKernel.product(
        FastPath.type(x),
        x.address(),
        weight.address(),
        turned,
        bias == null ? 0 : bias.address(),
        y.address(),
        x.numel() / x.size(-1),
        weight.size(0),
        weight.size(1),
        FastPath.threads());
  }
}
