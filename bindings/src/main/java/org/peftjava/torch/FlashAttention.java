package org.peftjava.torch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.jspecify.annotations.Nullable;

/**
 * libtorch's fused attention on the CPU, with a gradient that keeps queries, keys, values and the
 * result in the type in which they came, and keys and values once for all heads that share them.
 *
 * <p>libtorch's own gradient keeps what its kernel reads: float32 copies where bfloat16 is computed
 * in float32, and repeated keys and values. Here they are made again in the backward pass; the
 * kernels are the same. Shapes as in {@link Ops#scaledDotProductAttention}.
 */
final class FlashAttention {
  private static final String NAME = "aten::_scaled_dot_product_flash_attention_for_cpu";

  private FlashAttention() {}

  /** Whether libtorch would take its fused kernel, and a gradient is wanted. */
  static boolean covers(Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, double dropout) {
    return dropout == 0
        && GradMode.isEnabled()
        && (q.requiresGrad() || k.requiresGrad() || v.requiresGrad())
        && (q.dtype() == DType.FLOAT32 || q.dtype() == DType.BFLOAT16)
        && isDense(q)
        && isDense(k)
        && isDense(v)
        && q.dtype() == k.dtype()
        && q.dtype() == v.dtype()
        && q.size(0) == k.size(0)
        && q.size(0) == v.size(0)
        && q.size(3) == k.size(3)
        && q.size(3) == v.size(3)
        && k.size(1) == v.size(1)
        && k.size(2) == v.size(2)
        && q.size(1) % k.size(1) == 0
        && (mask == null || isAddend(mask, q, k));
  }

  private static boolean isDense(Tensor x) {
    return x.rank() == 4 && x.isOnCpu() && x.numel() > 0 && x.stride(3) == 1;
  }

  private static boolean isAddend(Tensor mask, Tensor q, Tensor k) {
    return mask.dtype() == q.dtype()
        && (mask.rank() == 2 || mask.rank() == 4)
        && FusedAttention.isAddend(mask, q, k);
  }

  static Tensor of(
      Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal, @Nullable Double scale) {
    Tensor value;
    Tensor normalizer;
    try (TensorScope scope = TensorScope.open("attention");
        GradMode off = GradMode.noGrad()) {
      List<IValue> arguments = operands(q, k, v);
      arguments.addAll(List.of(new IValue(0.0), new IValue(causal)));
      arguments.addAll(keywords(mask, scale));
      List<Tensor> results = call(NAME, arguments, 2);
      value = scope.keep(results.get(0).to(q.dtype()).detach());
      normalizer = scope.keep(results.get(1));
    }
    List<Tensor> saved = new ArrayList<>(List.of(q, k, v, value.detach(), normalizer));
    if (mask != null) {
      saved.add(mask);
    }
    return CustomGradient.of(
        value,
        List.of(q, k, v),
        saved,
        (gradient, kept) -> gradients(gradient, kept, causal, scale));
  }

  private static List<@Nullable Tensor> gradients(
      Tensor gradient, List<Tensor> kept, boolean causal, @Nullable Double scale) {
    Tensor g = gradient.stride(3) == 1 ? gradient : gradient.contiguous();
    Tensor mask = kept.size() > 5 ? kept.get(5) : null;
    List<IValue> arguments = new ArrayList<>(List.of(value(wide(g))));
    arguments.addAll(operands(kept.get(0), kept.get(1), kept.get(2)));
    arguments.add(value(wide(kept.get(3))));
    arguments.add(value(kept.get(4)));
    arguments.addAll(List.of(new IValue(0.0), new IValue(causal)));
    arguments.addAll(keywords(mask, scale));
    List<Tensor> results = call(NAME + "_backward", arguments, 3);
    DType type = kept.get(0).dtype();
    long served = kept.get(1).size(1);
    return Arrays.asList(
        results.get(0).to(type),
        summed(results.get(1), served).to(type),
        summed(results.get(2), served).to(type));
  }

  /** Queries, keys and values as the kernel reads them: float32, one key for each query head. */
  private static List<IValue> operands(Tensor q, Tensor k, Tensor v) {
    long groups = q.size(1) / k.size(1);
    return new ArrayList<>(
        List.of(
            value(wide(q.detach())),
            value(Ops.repeatHeads(wide(k.detach()), groups)),
            value(Ops.repeatHeads(wide(v.detach()), groups))));
  }

  private static List<IValue> keywords(@Nullable Tensor mask, @Nullable Double scale) {
    return List.of(
        mask == null ? new IValue() : value(wide(mask)),
        scale == null ? new IValue() : new IValue(scale));
  }

  /** The gradient of heads that were repeated: (b, h, s, d) to (b, k, s, d). */
  private static Tensor summed(Tensor gradient, long served) {
    long heads = gradient.size(1);
    if (heads == served) {
      return gradient;
    }
    return gradient
        .reshape(gradient.size(0), served, heads / served, gradient.size(2), gradient.size(3))
        .sum(2);
  }

  private static Tensor wide(Tensor x) {
    return x.to(DType.FLOAT32);
  }

  private static IValue value(Tensor tensor) {
    return new IValue(tensor.handle());
  }

  private static List<Tensor> call(String name, List<IValue> arguments, int results) {
    IValueVector stack = new IValueVector(arguments.toArray(IValue[]::new));
    List<Tensor> values = new ArrayList<>();
    Natives.call(
        () -> {
          Dispatcher.singleton().findSchemaOrThrow(name, "").callBoxed(stack);
          return stack;
        });
    for (int i = 0; i < results; i++) {
      values.add(new Tensor(new org.bytedeco.pytorch.Tensor(stack.get(i).toTensor())));
    }
    stack.clear();
    return values;
  }
}
