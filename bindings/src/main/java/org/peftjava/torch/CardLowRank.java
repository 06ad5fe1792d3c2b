package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/**
 * {@link LowRankUpdate} on a card, for bfloat16 activations and float32 matrices.
 *
 * <p>PEFT makes float32 copies of the activations and multiplies those. Here the activations stay
 * as they are, and the float32 matrices are cut into three bfloat16 parts each, which side by side
 * are matrices of 3 r columns: the tensor cores multiply them and sum in float32. A product of two
 * float32 matrices takes the six pairs of parts that are above 2^-24 of it. So the results have
 * float32's errors, activations are read once in two bytes, and what is added to y is rounded once.
 * For the backward pass x and the (n, 6 r) parts of the small product are kept, and no mask.
 */
final class CardLowRank {
  /** Parts 1, 2 and 3. */
  private static final Blocks ALL = Blocks.of(0, 1, 2);

  /** The left sides of the six pairs; the first three blocks are {@link #ALL}. */
  private static final Blocks LEFT = Blocks.of(0, 1, 2, 0, 0, 1);

  /** The right sides of the six pairs. */
  private static final Blocks RIGHT = Blocks.of(0, 0, 0, 1, 2, 1);

  private static final int THREADS = 256;

  /**
   * Which parts lie side by side.
   *
   * @param pattern two bits a block, the first block lowest
   */
  private record Blocks(int count, int pattern) {
    static Blocks of(int... parts) {
      int pattern = 0;
      for (int i = 0; i < parts.length; i++) {
        pattern |= parts[i] << (2 * i);
      }
      return new Blocks(parts.length, pattern);
    }
  }

  private final KernelLauncher kernels;
  private final double scaling; // over what is kept of x, which is exact so
  private final double dropout;
  private final long seed;

  private CardLowRank(KernelLauncher kernels, double scaling, double dropout, long seed) {
    this.kernels = kernels;
    this.scaling = scaling;
    this.dropout = dropout;
    this.seed = seed;
  }

  /** The update, or nothing if it is none of this class's; as {@link LowRankUpdate#add}. */
  static Optional<Tensor> add(
      Tensor y, Tensor x, Tensor a, Tensor b, double scaling, double dropout) {
    if (y.dtype() != DType.BFLOAT16
        || x.dtype() != DType.BFLOAT16
        || a.dtype() != DType.FLOAT32
        || b.dtype() != DType.FLOAT32) {
      return Optional.empty();
    }
    return CardPath.gapless(y, x, a, b)
        .map(
            kernels ->
                new CardLowRank(
                        kernels,
                        scaling / (1 - dropout),
                        dropout,
                        dropout == 0 ? 0 : Randomness.nextMaskSeed())
                    .add(y, x, a, b));
  }

  private Tensor add(Tensor y, Tensor x, Tensor a, Tensor b) {
    Tensor value = y.detach();
    Tensor low;
    try (TensorScope scope = TensorScope.open("low rank");
        GradMode off = GradMode.noGrad()) {
      Tensor product = wide(masked(x), parts(a, 1, ALL, 1, 1).reshape(-1, a.size(1)).t());
      low = scope.keep(parts(product, 3, LEFT, scaling, product.size(0)));
      Tensor up = parts(b, 1, RIGHT, 1, b.size(0));
      settle(wide(low, up.t()), value, 0, true);
    }
    boolean[] wanted = {x.requiresGrad(), a.requiresGrad(), b.requiresGrad()};
    return CustomGradient.of(
        value,
        List.of(y, x, a, b),
        List.of(x, a, b, low),
        (gradient, saved) -> gradients(gradient, saved, wanted));
  }

  /** The gradients of y, x, A and B. */
  private List<@Nullable Tensor> gradients(Tensor gradient, List<Tensor> saved, boolean[] wanted) {
    Tensor x = saved.get(0);
    Tensor a = saved.get(1);
    Tensor b = saved.get(2);
    long r = a.size(0);
    Tensor g = rows(gradient.contiguous());
    Tensor product = wide(g, parts(b, 1, ALL, 1, b.size(0)));
    Tensor low = parts(product, 3, LEFT, scaling, product.size(0));
    Tensor gX = null;
    if (wanted[0]) {
      Tensor down = parts(a, 1, RIGHT, 1, 1).reshape(-1, a.size(1));
      gX = Creation.empty(x.dtype(), x.device(), x.shape().toArray());
      settle(wide(low, down), gX, dropout, false);
    }
    Tensor gA =
        wanted[1] ? sum(wide(low.narrow(1, 0, 3 * r).t(), masked(x)), 1, r * a.size(1), a) : null;
    Tensor gB =
        wanted[2] ? sum(wide(g.t(), saved.get(3).narrow(1, 0, 3 * r)), b.size(0), r, b) : null;
    return Arrays.asList(gradient, gX, gA, gB);
  }

  /**
   * Rounds what a product gives, without what dropout drops, into a tensor, or adds it there. The
   * product is not asked to add to y by itself: cuBLAS may round parts of a sum to bfloat16.
   */
  private void settle(Tensor from, Tensor to, double p, boolean add) {
    kernels.launch(
        "settle",
        LaunchGrid.over(to.numel(), 4, THREADS),
        from.address(),
        to.address(),
        to.numel(),
        seed,
        Dropouts.threshold(p),
        add ? 1 : 0);
  }

  private static Tensor rows(Tensor x) {
    return x.reshape(-1, x.size(-1));
  }

  /** The rows of x without those elements that are dropped. */
  private Tensor masked(Tensor x) {
    Tensor whole = x.contiguous().detach();
    if (dropout == 0) {
      return rows(whole);
    }
    Tensor result = Creation.empty(x.dtype(), x.device(), x.shape().toArray());
    Dropouts.onCard(kernels, whole, result, dropout, seed, 1);
    return rows(result);
  }

  /** {@code a b} of bfloat16 matrices as float32. */
  private static Tensor wide(Tensor a, Tensor b) {
    return a.device().isCuda()
        ? Natives.op(() -> torch.mm(a.handle(), b.handle(), torch.ScalarType.Float))
        : a.to(DType.FLOAT32).matmul(b.to(DType.FLOAT32));
  }

  /**
   * The parts of {@code scale} times the sum of a matrix's blocks of columns.
   *
   * @param rows among which the matrix's numbers are shared out
   * @return (rows, count * columns)
   */
  private Tensor parts(Tensor matrix, int blocks, Blocks wanted, double scale, long rows) {
    long columns = matrix.numel() / rows / blocks;
    Tensor result = Creation.empty(DType.BFLOAT16, matrix.device(), rows, wanted.count() * columns);
    launch(matrix, blocks, scale, 0, result.address(), wanted, rows, columns);
    return result;
  }

  /** The sum of a matrix's three blocks of columns, in the shape of another. */
  private Tensor sum(Tensor matrix, long rows, long columns, Tensor like) {
    Tensor result = Creation.empty(DType.FLOAT32, matrix.device(), like.shape().toArray());
    launch(matrix, 3, 1, result.address(), 0, ALL, rows, columns);
    return result;
  }

  private void launch(
      Tensor matrix,
      int blocks,
      double scale,
      long sum,
      long parts,
      Blocks wanted,
      long rows,
      long columns) {
    kernels.launch(
        "parts",
        LaunchGrid.over(rows * columns, 1, THREADS),
        matrix.address(),
        blocks,
        KernelLauncher.argument(scale),
        sum,
        parts,
        wanted.count(),
        wanted.pattern(),
        rows,
        columns);
  }
}
