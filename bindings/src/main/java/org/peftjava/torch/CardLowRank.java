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
    if (dropout == 0 && !GradMode.isEnabled() && FewLowRankRows.add(y, x, a, b, scaling)) {
      return Optional.of(y);
    }
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
      Cut down = new Cut(a, 1, ALL, 1);
      Cut up = new Cut(b, 1, RIGHT, b.size(0));
      parts(down, up);
      Tensor product = wide(masked(x), down.out().reshape(-1, a.size(1)).t());
      low = scope.keep(scaledParts(product));
      settle(wide(low, up.out().t()), value, 0, true);
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
    Cut up = new Cut(b, 1, ALL, b.size(0));
    Cut down = wanted[0] ? new Cut(a, 1, RIGHT, 1) : null;
    parts(up, down);
    Tensor low = scaledParts(wide(g, up.out()));
    Tensor gX = null;
    if (down != null) {
      gX = Creation.empty(x.dtype(), x.device(), x.shape().toArray());
      settle(wide(low, down.out().reshape(-1, a.size(1))), gX, dropout, false);
    }
    Cut ofA = wanted[1] ? Cut.sum(wide(low.narrow(1, 0, 3 * r).t(), masked(x)), 1, a) : null;
    Cut ofB =
        wanted[2] ? Cut.sum(wide(g.t(), saved.get(3).narrow(1, 0, 3 * r)), b.size(0), b) : null;
    parts(ofA, ofB);
    Tensor gA = ofA == null ? null : ofA.out();
    Tensor gB = ofB == null ? null : ofB.out();
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

  /** The parts of {@code scaling} times the sum of a matrix's three blocks of columns. */
  private Tensor scaledParts(Tensor product) {
    Cut cut = new Cut(product, 3, LEFT, product.size(0), scaling);
    parts(cut, null);
    return cut.out();
  }

  /** Fills the results of one or two in one launch. */
  private void parts(@Nullable Cut first, @Nullable Cut second) {
    Cut some = first == null ? second : first;
    if (some == null) {
      return;
    }
    int blocks = some.threadBlocks();
    if (first == null || second == null) {
      kernels.launch("parts", new LaunchGrid(blocks, THREADS), some.arguments());
      return;
    }
    long[] arguments = new long[19];
    arguments[0] = blocks;
    System.arraycopy(first.arguments(), 0, arguments, 1, 9);
    System.arraycopy(second.arguments(), 0, arguments, 10, 9);
    int all = Math.addExact(blocks, second.threadBlocks());
    kernels.launch("partsOfTwo", new LaunchGrid(all, THREADS), arguments);
  }

  /**
   * What becomes of the sum of a matrix's blocks of columns, times a scale.
   *
   * @param wanted its parts side by side; null for the sum itself
   * @param rows among which the matrix's numbers are shared out
   * @param columns of one block
   * @param out (rows, blocks wanted * columns), or of any shape for the sum
   */
  private record Cut(
      Tensor matrix,
      int blocks,
      double scale,
      @Nullable Blocks wanted,
      long rows,
      long columns,
      Tensor out) {

    Cut(Tensor matrix, int blocks, Blocks wanted, long rows) {
      this(matrix, blocks, wanted, rows, 1);
    }

    Cut(Tensor matrix, int blocks, Blocks wanted, long rows, double scale) {
      this(
          matrix,
          blocks,
          scale,
          wanted,
          rows,
          matrix.numel() / rows / blocks,
          Creation.empty(
              DType.BFLOAT16,
              matrix.device(),
              rows,
              wanted.count() * (matrix.numel() / rows / blocks)));
    }

    /** The sum of a matrix's three blocks of columns, in the shape of another. */
    static Cut sum(Tensor matrix, long rows, Tensor like) {
      return new Cut(
          matrix,
          3,
          1,
          null,
          rows,
          like.numel() / rows,
          Creation.empty(DType.FLOAT32, matrix.device(), like.shape().toArray()));
    }

    int threadBlocks() {
      return LaunchGrid.over(rows * columns, 1, THREADS).x();
    }

    long[] arguments() {
      return new long[] {
        matrix.address(),
        blocks,
        KernelLauncher.argument(scale),
        wanted == null ? out.address() : 0,
        wanted == null ? 0 : out.address(),
        wanted == null ? 0 : wanted.count(),
        wanted == null ? 0 : wanted.pattern(),
        rows,
        columns
      };
    }
  }
}
