package org.peftjava.torch.kernels;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Attention, {@code y = dropout(softmax(scale q k^T + mask)) v}, and its gradient, without the
 * matrix of scores in memory.
 *
 * <p>Letters: {@code b} batch, {@code h} heads, {@code n} heads of keys, of which each serves
 * {@code h / n} neighbours, {@code t} queries, {@code s} keys, {@code d} size of a head. Sums are
 * float32, and rows whose every score is negative infinity are 0. The forward pass keeps the
 * logarithm of each row's sum of exponentials, from which the backward pass makes the scores again
 * (Dao et al., <a href="https://arxiv.org/abs/2205.14135">FlashAttention</a>). Which weights are
 * dropped is a function of the seed, as in {@link DropoutKernel}: row {@code (b h t)} begins at a
 * multiple of 64 elements.
 */
public final class AttentionKernel {
  private static final String NAME = "AttentionKernel";

  private AttentionKernel() {}

  /**
   * Sizes and rules of one attention.
   *
   * @param cap bound of the scores, {@code cap tanh(scale q k^T / cap)}; 0 for none
   * @param dropout probability of dropping a weight, 0 to 1
   * @param causal whether query i sees the keys up to i only
   */
  public record Rule(
      ElementType type,
      long batch,
      long heads,
      long keyHeads,
      long queries,
      long keys,
      long size,
      double scale,
      double cap,
      double dropout,
      long seed,
      boolean causal) {
    /** Checks the sizes. */
    public Rule {
      for (long each : new long[] {batch, heads, keyHeads, queries, keys, size}) {
        if (each < 1) {
          throw new IllegalArgumentException(
              NAME + ": a size is " + each + ". Expected 1 or more.");
        }
      }
      if (heads % keyHeads != 0) {
        throw new IllegalArgumentException(
            NAME + ": " + keyHeads + " heads of keys cannot serve " + heads + " heads evenly.");
      }
      if (!(dropout >= 0 && dropout <= 1)) {
        throw new IllegalArgumentException(NAME + ": dropout must be 0 to 1, got " + dropout + ".");
      }
    }

    private long[] sizes() {
      return new long[] {batch, heads, keyHeads, queries, keys, size};
    }
  }

  /**
   * Where rows of heads are: element 0 of (batch, head, token), in elements from the address. A
   * row's elements have no gaps.
   */
  public record Operand(long address, long batch, long head, long token) {
    static final Operand NONE = new Operand(0, 0, 0, 0);
    static final int WORDS = 4;

    /** Writes what the kernels read, from a place on; returns the next place. */
    int write(long[] words, int at) {
      words[at] = address;
      words[at + 1] = batch;
      words[at + 2] = head;
      words[at + 3] = token;
      return at + WORDS;
    }

    private Operand inBytes(int bytes) {
      return new Operand(address, batch * bytes, head * bytes, token * bytes);
    }
  }

  /** Numbers (b, h, t, s) added to the scores; strides may be 0. */
  public record Mask(ElementType type, Operand operand) {}

  /**
   * Queries, keys, values and the result.
   *
   * @param q (b, h, t, d)
   * @param k (b, n, s, d)
   * @param v (b, n, s, d)
   * @param y (b, h, t, d)
   * @param logSums (b, h, t) of float32, 0 if not wanted
   */
  public record Operands(
      Operand q, Operand k, Operand v, Operand y, @Nullable Mask mask, long logSums) {
    private List<Operand> all() {
      return List.of(q, k, v, y, mask == null ? Operand.NONE : mask.operand());
    }
  }

  /** Writes {@code y}, and the logarithms of the sums if they are wanted. */
  public static void forward(Rule rule, Operands operands, int threads) {
    call(rule, operands, List.of(), threads);
  }

  /**
   * Writes the gradients of queries, keys and values, shaped as they are.
   *
   * @param operands as in the forward pass, with its result and the logarithms of its sums
   * @param g gradient of the result, (b, h, t, d)
   */
  public static void backward(
      Rule rule, Operands operands, Operand g, Operand gq, Operand gk, Operand gv, int threads) {
    Arguments.addresses(NAME, 1, operands.logSums());
    call(rule, operands, List.of(g, gq, gk, gv), threads);
  }

  /** Copies (b, h, t, d) elements of so many bytes from one place to another. */
  public static void copy(
      Operand from, Operand to, long b, long h, long t, long d, int elementBytes) {
    Arguments.call(NAME, 1);
    Arguments.addresses(NAME, b * h * t * d, from.address(), to.address());
    long[] words = {b, h, t, d * elementBytes, 0, 0, 0, 0, 0, 0, 0, 0};
    to.inBytes(elementBytes).write(words, from.inBytes(elementBytes).write(words, 4));
    KernelLibrary.copyHeads(words);
  }

  private static void call(Rule rule, Operands operands, List<Operand> gradients, int threads) {
    Arguments.call(NAME, threads);
    for (Operand operand : List.of(operands.q(), operands.k(), operands.v(), operands.y())) {
      Arguments.addresses(NAME, 1, operand.address());
    }
    for (Operand operand : gradients) {
      Arguments.addresses(NAME, 1, operand.address());
    }
    long[] sizes = rule.sizes();
    List<Operand> all = operands.all();
    int count = sizes.length + 1;
    long[] words = Arrays.copyOf(sizes, count + Operand.WORDS * (all.size() + gradients.size()));
    words[sizes.length] = operands.logSums();
    for (Operand operand : all) {
      count = operand.write(words, count);
    }
    for (Operand operand : gradients) {
      count = operand.write(words, count);
    }
    Mask mask = operands.mask();
    KernelLibrary.attention(
        words,
        rule.scale(),
        rule.cap(),
        rule.dropout(),
        rule.seed(),
        rule.causal(),
        rule.type().code(),
        mask == null ? 0 : mask.type().code(),
        !gradients.isEmpty(),
        threads);
  }
}
