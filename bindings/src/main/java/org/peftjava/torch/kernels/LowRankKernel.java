package org.peftjava.torch.kernels;

import java.util.List;

/**
 * Products with matrices of a small rank, in float32 whatever the types of x and y: what LoRA adds
 * to a layer, and its gradients. All arrays are row-major without gaps.
 *
 * <p>Letters: {@code n} rows, {@code d} input features, {@code o} output features, {@code r} rank.
 */
public final class LowRankKernel {
  private static final String NAME = "LowRankKernel";

  private LowRankKernel() {}

  /**
   * Sizes of an update.
   *
   * @param n rows
   * @param d columns of x
   * @param o columns of y
   * @param r rank
   */
  public record Sizes(long n, long d, long o, long r) {
    /** Refuses negative sizes. */
    public Sizes {
      Arguments.size(NAME, "n", n);
      Arguments.size(NAME, "d", d);
      Arguments.size(NAME, "o", o);
      Arguments.size(NAME, "r", r);
    }
  }

  /**
   * Rows of a batch and the matrices that change them.
   *
   * @param row the first
   * @param rows how many
   * @param a float32 (r, d)
   * @param b float32 (o, r)
   */
  public record Run(long row, long rows, long a, long b, long r, double scale) {}

  /**
   * An array of one element type.
   *
   * @param address of the first element
   */
  public record Array(ElementType type, long address) {}

  /**
   * {@code low = scale * mask(x) a^T} and {@code y += low b^T}.
   *
   * @param x (n, d)
   * @param a float32 (r, d)
   * @param b float32 (o, r)
   * @param low float32 (n, r), written
   * @param y (n, o)
   * @param p probability with which an element of x is dropped, as {@link DropoutKernel} does it
   */
  public static void add(
      Sizes sizes,
      Array x,
      long a,
      long b,
      double scale,
      long low,
      Array y,
      double p,
      long seed,
      int threads) {
    lowRank(sizes, x, a, b, scale, low, y, true, p, seed, threads);
  }

  /**
   * {@code low = scale * g b} and {@code gx = mask(low a)}: the gradients of the small product and
   * of x in {@link #add}.
   *
   * @param sizes those of the forward product
   * @param g gradient of y, (n, o)
   * @param gx (n, d), written; address 0 where it is not wanted
   */
  public static void gradient(
      Sizes sizes,
      Array g,
      long a,
      long b,
      double scale,
      long low,
      Array gx,
      double p,
      long seed,
      int threads) {
    Sizes turned = new Sizes(sizes.n(), sizes.o(), sizes.d(), sizes.r());
    lowRank(turned, g, b, a, scale, low, gx, false, p, seed, threads);
  }

  private static void lowRank(
      Sizes sizes,
      Array x,
      long down,
      long up,
      double scale,
      long low,
      Array y,
      boolean forward,
      double p,
      long seed,
      int threads) {
    Arguments.call(NAME, threads);
    probability(p);
    Arguments.addresses(NAME, sizes.n() * sizes.d(), x.address());
    Arguments.addresses(NAME, sizes.n() * sizes.r(), low);
    Arguments.addresses(NAME, sizes.d() * sizes.r(), down);
    Arguments.addresses(NAME, sizes.o() * sizes.r(), up);
    if (forward) {
      Arguments.addresses(NAME, sizes.n() * sizes.o(), y.address());
    }
    KernelLibrary.lowRank(
        x.address(),
        x.type().code(),
        down,
        up,
        low,
        y.address(),
        y.type().code(),
        sizes.n(),
        sizes.d(),
        sizes.o(),
        sizes.r(),
        scale,
        forward,
        p,
        seed,
        threads);
  }

  /**
   * The gradient of a matrix of {@link #add}: {@code gw = low^T mask(x)}, (r, d), or its transpose
   * (d, r).
   *
   * @param n rows of x and low
   * @param d columns of x
   * @param low float32 (n, r)
   * @param gw float32, written
   */
  public static void weightGradient(
      long n,
      long d,
      long r,
      Array x,
      long low,
      long gw,
      boolean transposed,
      double p,
      long seed,
      int threads) {
    Arguments.call(NAME, threads);
    probability(p);
    Arguments.size(NAME, "n", n);
    Arguments.size(NAME, "d", d);
    Arguments.size(NAME, "r", r);
    Arguments.addresses(NAME, n * d, x.address());
    Arguments.addresses(NAME, n * r, low);
    Arguments.addresses(NAME, d * r, gw);
    KernelLibrary.lowRankGrad(
        x.address(), x.type().code(), low, gw, n, d, r, transposed, p, seed, threads);
  }

  /**
   * {@code y += scale * x a^T b^T} for runs of rows, each with its own matrices.
   *
   * @param x (n, d)
   * @param y (n, o)
   * @param runs within n rows, none twice
   */
  public static void addRuns(
      long n, long d, long o, Array x, Array y, List<Run> runs, int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "n", n);
    Arguments.size(NAME, "d", d);
    Arguments.size(NAME, "o", o);
    Arguments.addresses(NAME, n * d, x.address());
    Arguments.addresses(NAME, n * o, y.address());
    int count = runs.size();
    long[][] numbers = new long[5][count];
    double[] scales = new double[count];
    for (int i = 0; i < count; i++) {
      Run run = runs.get(i);
      check(run, n, d, o);
      numbers[0][i] = run.row();
      numbers[1][i] = run.rows();
      numbers[2][i] = run.a();
      numbers[3][i] = run.b();
      numbers[4][i] = run.r();
      scales[i] = run.scale();
    }
    KernelLibrary.lowRankRuns(
        x.address(),
        x.type().code(),
        y.address(),
        y.type().code(),
        d,
        o,
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        scales,
        count,
        threads);
  }

  private static void check(Run run, long n, long d, long o) {
    Arguments.size(NAME, "r", run.r());
    Arguments.addresses(NAME, run.r() * d, run.a());
    Arguments.addresses(NAME, run.r() * o, run.b());
    if (run.row() < 0 || run.rows() < 1 || run.rows() > n - run.row()) {
      throw new IllegalArgumentException(
          NAME + ": " + run + " is not within " + n + " rows. Expected a part of them.");
    }
  }

  private static void probability(double p) {
    if (!(p >= 0 && p < 1)) {
      throw new IllegalArgumentException(NAME + ": p must be in [0, 1), got " + p + ".");
    }
  }
}
