package org.peftjava.torch;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.kernels.AttentionKernel;
import org.peftjava.torch.kernels.AttentionKernel.Mask;
import org.peftjava.torch.kernels.AttentionKernel.Operand;
import org.peftjava.torch.kernels.AttentionKernel.Operands;
import org.peftjava.torch.kernels.AttentionKernel.Rule;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.NativeKernels;

/**
 * Attention on the CPU by {@link AttentionKernel}: dropout, bounded scores and keys that serve
 * several heads included.
 *
 * <p>The backward pass keeps queries, keys, values, the result and one number a row, as they came:
 * neither scores nor masks, nor repeated or converted keys. Shapes as in {@link
 * Ops#scaledDotProductAttention}.
 */
public final class FusedAttention {
  /** More numbers than these are copied by several threads. */
  private static final long FEW_NUMBERS = 1 << 16;

  private FusedAttention() {}

  /**
   * Whether the kernel takes these: float32 or bfloat16 on the CPU, a mask of numbers that needs no
   * gradient, and sizes that belong together.
   */
  public static boolean covers(Tensor q, Tensor k, Tensor v, @Nullable Tensor mask) {
    return NativeKernels.available()
        && isDense(q)
        && isDense(k)
        && isDense(v)
        && (q.dtype() == DType.FLOAT32 || q.dtype() == DType.BFLOAT16)
        && q.dtype() == k.dtype()
        && q.dtype() == v.dtype()
        && q.size(0) == k.size(0)
        && q.size(3) == k.size(3)
        && q.size(1) % k.size(1) == 0
        && k.shape().equals(v.shape())
        && (mask == null || isAddend(mask, q, k));
  }

  private static boolean isDense(Tensor x) {
    return x.rank() == 4 && x.isOnCpu() && x.numel() > 0 && x.stride(3) == 1;
  }

  /**
   * Whether a mask holds numbers that belong to the scores of these: libtorch's kernel trusts its
   * sizes.
   */
  static boolean isAddend(Tensor mask, Tensor q, Tensor k) {
    int rank = mask.rank();
    return (mask.dtype() == DType.FLOAT32 || mask.dtype() == DType.BFLOAT16)
        && !mask.requiresGrad()
        && mask.isOnCpu()
        && rank >= 2
        && rank <= 4
        && mask.size(-1) == k.size(2)
        && mask.stride(-1) == 1
        && fits(mask, -2, q.size(2))
        && fits(mask, -3, q.size(1))
        && fits(mask, -4, q.size(0));
  }

  private static boolean fits(Tensor mask, int dimension, long size) {
    return mask.rank() + dimension < 0 || mask.size(dimension) == size || mask.size(dimension) == 1;
  }

  /**
   * {@code dropout(softmax(cap tanh(scale q k^T / cap) + mask)) v}.
   *
   * @param dropout probability of dropping a weight
   * @param causal whether token i sees only tokens up to i
   * @param cap bound of the scores before the mask; 0 for none
   * @return (b, h, t, d), with the heads of a token side by side in memory
   */
  public static Tensor of(
      Tensor q,
      Tensor k,
      Tensor v,
      @Nullable Tensor mask,
      double dropout,
      boolean causal,
      double scale,
      double cap) {
    if (!covers(q, k, v, mask)) {
      throw new TorchException.ShapeMismatch(
          "Attention of "
              + q
              + " to keys "
              + k
              + " and values "
              + v
              + (mask == null ? "" : " with the mask " + mask)
              + " is none of FusedAttention's. Ask covers() first, or call"
              + " Ops.scaledDotProductAttention.");
    }
    Rule rule =
        new Rule(
            type(q.dtype()),
            q.size(0),
            q.size(1),
            k.size(1),
            q.size(2),
            k.size(2),
            q.size(3),
            scale,
            cap,
            dropout,
            dropout > 0 ? Randomness.nextMaskSeed() : 0,
            causal);
    boolean differentiable = q.recordsGrad() || k.recordsGrad() || v.recordsGrad();
    Tensor value = like(q);
    if (!differentiable) {
      AttentionKernel.forward(rule, operands(q, k, v, value, mask, null), FastPath.threads());
      return value;
    }
    Tensor sums = Creation.empty(DType.FLOAT32, Device.CPU, q.size(0), q.size(1), q.size(2));
    AttentionKernel.forward(rule, operands(q, k, v, value, mask, sums), FastPath.threads());
    List<Tensor> saved = new ArrayList<>(List.of(q, k, v, value.detach(), sums));
    if (mask != null) {
      saved.add(mask);
    }
    return CustomGradient.of(
        value, List.of(q, k, v), saved, (gradient, kept) -> gradients(gradient, kept, rule));
  }

  private static List<@Nullable Tensor> gradients(Tensor gradient, List<Tensor> kept, Rule rule) {
    Tensor g = gradient.stride(3) == 1 ? gradient : gradient.contiguous();
    Tensor mask = kept.size() > 5 ? kept.get(5) : null;
    List<Tensor> results = List.of(like(kept.get(0)), like(kept.get(1)), like(kept.get(2)));
    AttentionKernel.backward(
        rule,
        operands(kept.get(0), kept.get(1), kept.get(2), kept.get(3), mask, kept.get(4)),
        operand(g),
        operand(results.get(0)),
        operand(results.get(1)),
        operand(results.get(2)),
        FastPath.threads());
    return new ArrayList<>(results);
  }

  /**
   * Room for (b, h, t, d) in which a token's heads lie together, as the layers around have them.
   */
  private static Tensor like(Tensor x) {
    return Creation.empty(x.dtype(), Device.CPU, x.size(0), x.size(2), x.size(1), x.size(3))
        .transpose(1, 2);
  }

  private static Operands operands(
      Tensor q, Tensor k, Tensor v, Tensor y, @Nullable Tensor mask, @Nullable Tensor sums) {
    return new Operands(
        operand(q),
        operand(k),
        operand(v),
        operand(y),
        mask == null ? null : new Mask(type(mask.dtype()), shared(mask)),
        sums == null ? 0 : sums.address());
  }

  /**
   * Copies keys or values into others of their shape, such as a part of a cache. Outside the graph.
   *
   * @param from (b, h, t, d)
   * @param to (b, h, t, d)
   */
  public static void copy(Tensor from, Tensor to) {
    if (isDense(from)
        && isDense(to)
        && NativeKernels.available()
        && from.numel() <= FEW_NUMBERS
        && from.dtype() == to.dtype()
        && from.shape().equals(to.shape())) {
      AttentionKernel.copy(
          operand(from),
          operand(to),
          from.size(0),
          from.size(1),
          from.size(2),
          from.size(3),
          from.dtype().byteSize());
      return;
    }
    try (GradMode off = GradMode.noGrad()) {
      to.copyInPlace(from);
    }
  }

  static Operand operand(Tensor x) {
    return new Operand(x.address(), stride(x, -4), stride(x, -3), stride(x, -2));
  }

  /** A tensor of which sizes of 1 stand for any. */
  static Operand shared(Tensor mask) {
    return new Operand(mask.address(), shared(mask, -4), shared(mask, -3), shared(mask, -2));
  }

  private static long stride(Tensor x, int dimension) {
    return x.stride(dimension);
  }

  /** A stride, 0 where all have the same numbers. */
  private static long shared(Tensor mask, int dimension) {
    return mask.rank() + dimension < 0 || mask.size(dimension) == 1 ? 0 : stride(mask, dimension);
  }

  private static ElementType type(DType type) {
    return type == DType.BFLOAT16 ? ElementType.BFLOAT16 : ElementType.FLOAT32;
  }
}
