package org.peftjava.torch;

import java.util.List;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Operators of neural networks, each with libtorch's semantics and gradients unless its text says
 * otherwise.
 */
public final class Ops {
  private Ops() {}

  /**
   * Values and indices along a dimension, as {@code torch.topk} and {@code torch.sort} return them.
   */
  public record Ranked(Tensor values, Tensor indices) {}

  /** {@code max(x, 0)}. */
  public static Tensor relu(Tensor x) {
    return Natives.op(() -> torch.relu(x.handle()));
  }

  /**
   * Gaussian error linear unit.
   *
   * @param approximate "none" for the exact form, "tanh" for the approximation
   */
  public static Tensor gelu(Tensor x, String approximate) {
    return FusedOps.recomputable(
        Natives.op(() -> torch.gelu(x.handle(), approximate)),
        List.of(x),
        in -> gelu(in.get(0), approximate));
  }

  /** The gradient of {@link #gelu} with respect to x. */
  static Tensor geluGradient(Tensor gradient, Tensor x, String approximate) {
    return Natives.op(() -> torch.gelu_backward(gradient.handle(), x.handle(), approximate));
  }

  /** The gradient of {@link #silu} with respect to x. */
  static Tensor siluGradient(Tensor gradient, Tensor x) {
    return Natives.op(() -> torch.silu_backward(gradient.handle(), x.handle()));
  }

  /** {@code x * sigmoid(x)}. */
  public static Tensor silu(Tensor x) {
    return Natives.op(() -> torch.silu(x.handle()));
  }

  /** Logarithm of the gamma function of positive numbers. */
  public static Tensor lgamma(Tensor x) {
    return Natives.op(() -> torch.lgamma(x.handle()));
  }

  /** Derivative of {@link #lgamma}. */
  public static Tensor digamma(Tensor x) {
    return Natives.op(() -> torch.digamma(x.handle()));
  }

  /** Hyperbolic tangent. */
  public static Tensor tanh(Tensor x) {
    return Natives.op(() -> torch.tanh(x.handle()));
  }

  /** Exponentials that sum to one along a dimension. */
  public static Tensor softmax(Tensor x, int dim) {
    return Natives.op(() -> torch.softmax(x.handle(), dim));
  }

  /** Logarithm of the softmax, computed in {@code type}. */
  public static Tensor logSoftmax(Tensor x, int dim, DType type) {
    return Natives.op(
        () -> torch.log_softmax(x.handle(), dim, new ScalarTypeOptional(type.scalarType())));
  }

  /**
   * Normalises the last dimension to mean 0 and variance 1, then scales and shifts.
   *
   * @param x (..., d)
   * @param weight (d), or null for 1
   * @param bias (d), or null for 0
   */
  public static Tensor layerNorm(
      Tensor x, @Nullable Tensor weight, @Nullable Tensor bias, double eps) {
    if (weight != null && bias != null && bias.dtype() != weight.dtype()) {
      return layerNorm(x, weight, bias.to(weight.dtype()), eps); // trained in float32
    }
    if (weight != null && isNarrower(x.dtype(), weight.dtype()) && !x.isOnCpu()) {
      return layerNorm(x.to(weight.dtype()), weight, bias, eps).to(x.dtype()); // as the CPU does
    }
    Tensor y =
        Natives.op(
            () ->
                torch.layer_norm(
                    x.handle(),
                    new long[] {x.size(-1)},
                    Natives.optional(weight),
                    Natives.optional(bias),
                    eps,
                    true));
    return weight == null || bias == null
        ? y
        : FusedOps.recomputable(
            y, List.of(x, weight, bias), in -> layerNorm(in.get(0), in.get(1), in.get(2), eps));
  }

  private static boolean isNarrower(DType type, DType than) {
    return than == DType.FLOAT32 && (type == DType.BFLOAT16 || type == DType.FLOAT16);
  }

  /**
   * Divides the last dimension by its root mean square, computed in float32, and scales.
   *
   * @param x (..., d)
   * @param weight (d), or null for 1
   * @return (..., d), of x's type
   */
  public static Tensor rmsNorm(Tensor x, @Nullable Tensor weight, double eps) {
    if (weight != null && weight.dtype() != x.dtype()) {
      return rmsNorm(x, null, eps).mul(weight).to(x.dtype());
    }
    return Natives.op(
        () ->
            torch.rms_norm(
                x.handle(),
                new long[] {x.size(-1)},
                Natives.optional(weight),
                Natives.optional(eps)));
  }

  /**
   * A convolution over positions, as many out as in.
   *
   * @param x (b, in, t)
   * @param weight (out, in / groups, k), k odd
   * @param bias (out)
   * @return (b, out, t)
   */
  public static Tensor conv1d(Tensor x, Tensor weight, Tensor bias, long groups) {
    long[] one = {1};
    long[] padding = {(weight.size(2) - 1) / 2};
    return Natives.op(
        () ->
            torch.conv1d(
                x.handle(), weight.handle(), Natives.optional(bias), one, padding, one, groups));
  }

  /** Moves the elements of the last dimension {@code shift} places on; the last come first. */
  public static Tensor roll(Tensor x, long shift) {
    return Natives.op(() -> torch.roll(x.handle(), new long[] {shift}, -1));
  }

  /** {@code base} to the power of each element. */
  public static Tensor pow(double base, Tensor exponents) {
    return Natives.op(() -> torch.pow(Natives.scalar(base), exponents.handle()));
  }

  /** Sine of angles in radians. */
  public static Tensor sin(Tensor x) {
    return Natives.op(() -> torch.sin(x.handle()));
  }

  /** Cosine of angles in radians. */
  public static Tensor cos(Tensor x) {
    return Natives.op(() -> torch.cos(x.handle()));
  }

  /**
   * Rows of a table.
   *
   * @param weight (n, d)
   * @param ids int64, each in [0, n); anything else is an error, never a crash
   * @return (ids..., d)
   */
  public static Tensor embedding(Tensor weight, Tensor ids) {
    long rows = weight.size(0);
    for (long id : ids.toLongs()) {
      if (id < 0 || id >= rows) {
        throw new IllegalArgumentException(
            "Token id "
                + id
                + " is outside the vocabulary: expected 0 to "
                + (rows - 1)
                + ". Does the tokenizer belong to this model?");
      }
    }
    return Natives.op(() -> torch.embedding(weight.handle(), ids.handle()));
  }

  /**
   * The rows, without the check of {@link #embedding}: for ids that come from this code itself,
   * such as positions.
   */
  public static Tensor embeddingUnchecked(Tensor weight, Tensor ids) {
    return Natives.op(() -> torch.embedding(weight.handle(), ids.handle()));
  }

  /**
   * Each head as often as queries share it: (b, k, s, d) as (b, k groups, s, d), {@code repeat_kv}.
   */
  public static Tensor repeatHeads(Tensor x, long groups) {
    if (groups == 1) {
      return x;
    }
    long[] sizes = x.shape().toArray();
    return x.unsqueeze(2)
        .expand(sizes[0], sizes[1], groups, sizes[2], sizes[3])
        .reshape(sizes[0], sizes[1] * groups, sizes[2], sizes[3]);
  }

  /**
   * Attention: {@code softmax(q k^T * scale + mask) v}. On the CPU, bfloat16 is computed in float32
   * and rounded once; our kernel takes it where it is built ({@link FusedAttention}), else
   * libtorch's.
   *
   * @param q (b, h, t, d)
   * @param k (b, k, s, d), where h is a multiple of k: each serves h / k heads
   * @param v (b, k, s, d)
   * @param mask null, or broadcastable to (b, h, t, s): boolean (true takes part) or an addend in
   *     q's dtype
   * @param causal whether token i sees only tokens up to i; needs t = s and no mask
   * @param scale of the products, or null for {@code 1/sqrt(d)}
   * @return (b, h, t, d)
   */
  public static Tensor scaledDotProductAttention(
      Tensor q,
      Tensor k,
      Tensor v,
      @Nullable Tensor mask,
      double dropout,
      boolean causal,
      @Nullable Double scale) {
    if (FusedAttention.covers(q, k, v, mask)) {
      double factor = scale == null ? 1 / Math.sqrt((double) q.size(3)) : scale;
      return FusedAttention.of(q, k, v, mask, dropout, causal, factor, 0);
    }
    if (k.size(-2) != v.size(-2) || q.size(-1) != k.size(-1)) {
      // libtorch reads beyond the shorter one.
      throw new TorchException.ShapeMismatch(
          "Attention of "
              + q
              + " to keys "
              + k
              + " and values "
              + v
              + " does not fit: expected q (b, h, t, d), k (b, k, s, d), v (b, k, s, d).");
    }
    if (FlashAttention.covers(q, k, v, mask, dropout)) {
      return FlashAttention.of(q, k, v, mask, causal, scale);
    }
    if (q.dtype() == DType.BFLOAT16 && q.size(-2) > 1 && q.isOnCpu()) {
      try (TensorScope scope = TensorScope.open("attention")) {
        DType wide = DType.FLOAT32;
        Tensor wideMask = mask != null && mask.dtype().isFloatingPoint() ? mask.to(wide) : mask;
        Tensor mixed = attend(q.to(wide), k.to(wide), v.to(wide), wideMask, dropout, causal, scale);
        return scope.keep(mixed.to(DType.BFLOAT16));
      }
    }
    return attend(q, k, v, mask, dropout, causal, scale);
  }

  static Tensor attend(
      Tensor q,
      Tensor k,
      Tensor v,
      @Nullable Tensor mask,
      double dropout,
      boolean causal,
      @Nullable Double scale) {
    long groups = q.size(1) / k.size(1);
    // a card's flash kernel, which takes no mask, lets keys serve several heads by itself
    boolean shared = groups > 1 && mask == null && q.handle().is_cuda();
    Tensor queries = wellPlaced(q);
    Tensor keys = wellPlaced(shared ? k : repeatHeads(k, groups));
    Tensor values = wellPlaced(shared ? v : repeatHeads(v, groups));
    Tensor seen = mask == null ? null : rowsWellPlaced(mask);
    return Natives.op(
        () ->
            torch.scaled_dot_product_attention(
                queries.handle(),
                keys.handle(),
                values.handle(),
                Natives.optional(seen),
                dropout,
                causal,
                Natives.optional(scale),
                shared));
  }

  /**
   * A tensor from whose start 16 bytes at a time can be read: as a part of a larger one it may
   * begin anywhere. libtorch's kernels on cards do so without a check (pytorch/pytorch issue
   * 183484).
   */
  private static Tensor wellPlaced(Tensor x) {
    return x.isOnCpu() || x.address() % 16 == 0 ? x : x.copy();
  }

  /** The same of each row. */
  private static Tensor rowsWellPlaced(Tensor x) {
    for (int i = 0; i < x.rank() - 1 && !x.isOnCpu(); i++) {
      if (x.size(i) > 1 && x.stride(i) * x.dtype().byteSize() % 16 != 0) {
        return x.copy();
      }
    }
    return wellPlaced(x);
  }

  /** Picks from the first where the mask is true, else from the second. */
  public static Tensor where(Tensor mask, Tensor ifTrue, Tensor ifFalse) {
    return Natives.op(() -> torch.where(mask.handle(), ifTrue.handle(), ifFalse.handle()));
  }

  /**
   * How many of the ascending {@code boundaries} lie below each element, as int32 of x's shape: an
   * element equal to a boundary counts as below it.
   */
  public static Tensor bucketize(Tensor x, Tensor boundaries) {
    return Natives.op(() -> torch.bucketize(x.handle(), boundaries.handle(), true, false));
  }

  /** The k largest elements along the last dimension, largest first. */
  public static Ranked topK(Tensor x, long k) {
    return topK(x, k, true);
  }

  /** The k largest elements along the last dimension, largest first, or the smallest likewise. */
  public static Ranked topK(Tensor x, long k, boolean largest) {
    return ranked(Natives.call(() -> torch.topk(x.handle(), k, -1, largest, true)));
  }

  /** Sorts along the last dimension. */
  public static Ranked sort(Tensor x, boolean descending) {
    return ranked(Natives.call(() -> torch.sort(x.handle(), -1, descending)));
  }

  /**
   * Draws one index per row of a matrix of probabilities, from libtorch's generator. Returns (rows,
   * 1), int64.
   */
  public static Tensor multinomial(Tensor probabilities) {
    return multinomial(probabilities, 1);
  }

  /** Draws several different indices per row: (rows, draws), int64. */
  public static Tensor multinomial(Tensor probabilities, long draws) {
    return Natives.op(
        () -> torch.multinomial(probabilities.handle(), draws, false, new GeneratorOptional()));
  }

  /** NaN becomes 0, and infinite elements the largest finite number of their sign. */
  public static Tensor nanToNum(Tensor x) {
    return Natives.op(() -> torch.nan_to_num(x.handle()));
  }

  /**
   * A copy of x whose elements at {@code index} along {@code dim} are {@code source}'s
   * (torch.scatter).
   */
  public static Tensor scatter(Tensor x, int dim, Tensor index, Tensor source) {
    return Natives.op(() -> torch.scatter(x.handle(), dim, index.handle(), source.handle()));
  }

  /**
   * A copy of x with {@code source} added at {@code index} along {@code dim} (torch.scatter_add).
   */
  public static Tensor scatterAdd(Tensor x, int dim, Tensor index, Tensor source) {
    return Natives.op(() -> torch.scatter_add(x.handle(), dim, index.handle(), source.handle()));
  }

  /** {@code 1 / (1 + exp(-x))}. */
  public static Tensor sigmoid(Tensor x) {
    return Natives.op(() -> torch.sigmoid(x.handle()));
  }

  /** -1, 0 or 1. */
  public static Tensor sign(Tensor x) {
    return Natives.op(() -> torch.sign(x.handle()));
  }

  /** The standard deviation of all elements, with n - 1 in the denominator: a tensor (). */
  public static Tensor std(Tensor x) {
    return Natives.op(() -> torch.std(x.handle()));
  }

  /** The nearest whole numbers, halves to even. */
  public static Tensor round(Tensor x) {
    return Natives.op(() -> torch.round(x.handle()));
  }

  /** The order of the elements turned round along {@code dim}. */
  public static Tensor flip(Tensor x, int dim) {
    return Natives.op(() -> torch.flip(x.handle(), dim));
  }

  /** {@code max(x, low)}, elementwise (torch.clamp). */
  public static Tensor atLeast(Tensor x, double low) {
    return Natives.op(() -> torch.clamp_min(x.handle(), Natives.scalar(low)));
  }

  /** The part of a matrix on and above a diagonal, 0 the main one, zeros below (torch.triu). */
  public static Tensor triu(Tensor x, long diagonal) {
    return Natives.op(() -> torch.triu(x.handle(), diagonal));
  }

  /** The Euclidean length along {@code dim}, which stays with size 1. */
  public static Tensor norm(Tensor x, int dim) {
    return Natives.op(
        () ->
            torch.linalg_vector_norm(
                x.handle(), new Scalar(2.0), new long[] {dim}, true, new ScalarTypeOptional()));
  }

  private static Ranked ranked(T_TensorTensor_T pair) {
    return new Ranked(
        new Tensor(new org.bytedeco.pytorch.Tensor(pair.get0())),
        new Tensor(new org.bytedeco.pytorch.Tensor(pair.get1())));
  }
}
