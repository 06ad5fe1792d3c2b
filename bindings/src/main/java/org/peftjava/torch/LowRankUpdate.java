package org.peftjava.torch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.kernels.LowRankKernel;

/**
 * {@code y + s * (drop(x) A^T) B^T}: the operator behind LoRA, with a gradient written by hand.
 *
 * <p>Shapes: x (..., d), y (..., o), A (r, d), B (o, r). The sum is computed in A's type, or B's if
 * that is wider, and rounded once to y's. Compared with a composition of operators, only x and the
 * (..., r) product are saved, no mask, the sum is added into y's memory, and casts happen inside
 * the passes that are needed anyway. Reference: PEFT {@code tuners/lora/layer.py::Linear.forward}.
 */
public final class LowRankUpdate {
  private LowRankUpdate() {}

  /**
   * The matrices of an update.
   *
   * @param a (r, d)
   * @param b (o, r)
   */
  public record Matrices(Tensor a, Tensor b, double scaling) {}

  /**
   * Rows of a batch and what changes them.
   *
   * @param first the first of them
   * @param rows how many, one after the other
   */
  public record Run(long first, long rows, Matrices matrices) {}

  /**
   * Adds the update to y.
   *
   * @param y a fresh result that nobody else uses: its memory may be overwritten
   * @param dropout probability in [0, 1), 0 when not training
   */
  public static Tensor add(Tensor y, Tensor x, Tensor a, Tensor b, double scaling, double dropout) {
    checkShapes(y, x, a, b);
    Optional<Tensor> onCard = CardLowRank.add(y, x, a, b, scaling, dropout);
    if (onCard.isPresent()) {
      return onCard.get();
    }
    if (!isFused(y, x, a, b)) {
      return addComposed(y, x, a, b, scaling, dropout);
    }
    if (GradMode.isEnabled() || dropout > 0) {
      return addFused(y, x, a, b, scaling, dropout);
    }
    addFused(y, x, List.of(new Run(0, rows(x), new Matrices(a, b, scaling))));
    return y;
  }

  /**
   * Adds updates to some rows of y, in its memory: what {@link #add} does to each, in one call.
   *
   * @param y (..., o), a fresh result that nobody else uses, with the rows of x
   * @param x (..., d)
   * @param runs none of whose rows overlap
   * @return false if nothing was done, because a gradient is recorded, or the tensors are of a kind
   *     for which there is no such call
   */
  public static boolean addRuns(Tensor y, Tensor x, List<Run> runs) {
    if (y.numel() == 0 || x.numel() == 0 || GradMode.isEnabled()) {
      return false;
    }
    for (Run run : runs) {
      Tensor a = run.matrices().a();
      Tensor b = run.matrices().b();
      checkShapes(y, x, a, b);
      if (!isFused(y, x, a, b)) {
        return false;
      }
    }
    addFused(y, x, runs);
    return true;
  }

  private static boolean isFused(Tensor y, Tensor x, Tensor a, Tensor b) {
    return a.dtype() == DType.FLOAT32 && b.dtype() == DType.FLOAT32 && FastPath.covers(y, x, a, b);
  }

  private static long rows(Tensor x) {
    return x.numel() / x.size(-1);
  }

  private static void addFused(Tensor y, Tensor x, List<Run> runs) {
    List<LowRankKernel.Run> addresses = new ArrayList<>(runs.size());
    for (Run run : runs) {
      Matrices with = run.matrices();
      addresses.add(
          new LowRankKernel.Run(
              run.first(),
              run.rows(),
              with.a().address(),
              with.b().address(),
              with.a().size(0),
              with.scaling()));
    }
    LowRankKernel.addRuns(
        rows(x), x.size(-1), y.size(-1), array(x), array(y), addresses, FastPath.threads());
  }

  private static LowRankKernel.Array array(Tensor tensor) {
    return new LowRankKernel.Array(FastPath.type(tensor), tensor.address());
  }

  private static void checkShapes(Tensor y, Tensor x, Tensor a, Tensor b) {
    if (a.rank() != 2
        || b.rank() != 2
        || x.size(-1) != a.size(-1)
        || a.size(0) != b.size(-1)
        || y.size(-1) != b.size(0)
        || y.numel() * x.size(-1) != x.numel() * y.size(-1)) {
      throw new TorchException.ShapeMismatch(
          "An update of y "
              + y.shape()
              + " by x "
              + x.shape()
              + ", A "
              + a.shape()
              + ", B "
              + b.shape()
              + " does not fit: expected y (..., o), x (..., d), A (r, d), B (o, r).");
    }
  }

  private static Tensor addComposed(
      Tensor y, Tensor x, Tensor a, Tensor b, double scaling, double dropout) {
    DType type = a.dtype().byteSize() < b.dtype().byteSize() ? b.dtype() : a.dtype();
    Tensor dropped = Dropouts.dropout(x.to(type), dropout);
    Tensor low = MatrixOps.linear(dropped, a.to(type), null);
    return y.add(MatrixOps.linear(low, b.to(type), null).mul(scaling)).to(y.dtype());
  }

  private static Tensor addFused(
      Tensor y, Tensor x, Tensor a, Tensor b, double scaling, double dropout) {
    long seed = dropout == 0 ? 0 : Randomness.nextMaskSeed();
    LowRankKernel.Sizes sizes = new LowRankKernel.Sizes(rows(x), x.size(-1), y.size(-1), a.size(0));
    Tensor value;
    Tensor low;
    try (GradMode off = GradMode.noGrad()) {
      low = floats(sizes.n(), sizes.r());
      value = y.detach();
      LowRankKernel.add(
          sizes,
          array(x),
          a.address(),
          b.address(),
          scaling,
          low.address(),
          array(value),
          dropout,
          seed,
          FastPath.threads());
    }
    boolean[] wanted = {x.requiresGrad(), a.requiresGrad(), b.requiresGrad()};
    return CustomGradient.of(
        value,
        List.of(y, x, a, b),
        List.of(x, a, b, low),
        (gradient, saved) -> gradients(gradient, saved, sizes, scaling, dropout, seed, wanted));
  }

  /** The gradients of y, x, A and B. */
  private static List<@Nullable Tensor> gradients(
      Tensor gradient,
      List<Tensor> saved,
      LowRankKernel.Sizes sizes,
      double scaling,
      double dropout,
      long seed,
      boolean[] wanted) {
    int threads = FastPath.threads();
    Tensor x = saved.get(0).contiguous();
    Tensor g = gradient.contiguous();
    Tensor gLow = floats(sizes.n(), sizes.r());
    Tensor gX = wanted[0] ? Creation.empty(x.dtype(), Device.CPU, x.shape().toArray()) : null;
    LowRankKernel.gradient(
        sizes,
        array(g),
        saved.get(1).address(),
        saved.get(2).address(),
        scaling,
        gLow.address(),
        gX == null ? new LowRankKernel.Array(FastPath.type(x), 0) : array(gX),
        dropout,
        seed,
        threads);
    Tensor gA = null;
    if (wanted[1]) {
      gA = floats(sizes.r(), sizes.d());
      LowRankKernel.weightGradient(
          sizes.n(),
          sizes.d(),
          sizes.r(),
          array(x),
          gLow.address(),
          gA.address(),
          false,
          dropout,
          seed,
          threads);
    }
    Tensor gB = null;
    if (wanted[2]) {
      gB = floats(sizes.o(), sizes.r());
      LowRankKernel.weightGradient(
          sizes.n(),
          sizes.o(),
          sizes.r(),
          array(g),
          saved.get(3).address(),
          gB.address(),
          true,
          0,
          0,
          threads);
    }
    return Arrays.asList(gradient, gX, gA, gB);
  }

  private static Tensor floats(long rows, long columns) {
    return Creation.empty(DType.FLOAT32, Device.CPU, rows, columns);
  }
}
