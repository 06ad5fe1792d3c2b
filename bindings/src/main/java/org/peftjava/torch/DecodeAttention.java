package org.peftjava.torch;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.cuda.DecodingKernels;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/**
 * A step of decoding on a card in one launch: rotates the query and the key of one new token a row,
 * stores its key and value in a cache, and attends to all tokens there. How many those are it reads
 * from a {@link StepPlace}, so that the launch is the same for every token.
 *
 * <p>The tokens of a row are shared out among blocks, as many as fill a card (Flash-Decoding). The
 * softmax and its sums are float32.
 *
 * <p>Letters: {@code b} rows, {@code h} heads that ask, {@code k} heads that are asked, {@code d}
 * size of a head, {@code r} elements of it that turn, {@code c} tokens that the cache has room for.
 */
public final class DecodeAttention {
  static final CardTensors CARDS = new CardTensors(DecodingKernels::on);

  private static final int LARGEST_HEAD = 256;
  private static final int HEADS_TOGETHER = 4;
  private static final int THREADS = 128;

  /** Blocks that fill a large card twice, and the fewest tokens worth a block of their own. */
  private static final long BLOCKS = 264;

  private static final long TOKENS_OF_BLOCK = 32;

  private DecodeAttention() {}

  /**
   * What a layer's scores are made of.
   *
   * @param scale of {@code q k^T}
   * @param cap bound of the scores, as {@code cap tanh(scores / cap)}; 0 for none
   * @param window how many of the last tokens are seen, the new one included; 0 for all
   * @param inPairs whether elements 2 i and 2 i + 1 turn together, instead of those of the halves
   */
  public record Rule(double scale, double cap, long window, boolean inPairs) {}

  /**
   * What {@link #of} takes.
   *
   * @param query (b, h, 1, d)
   * @param key (b, k, 1, d), h a multiple of k
   * @param value (b, k, 1, d)
   * @param cos (1, 1, c, r), see {@link Rotations}
   * @param sin (1, 1, c, r), its first half negated
   * @param keys (b, k, c, d), the cache
   * @param values (b, k, c, d), the cache
   */
  public record Operands(
      Tensor query, Tensor key, Tensor value, Tensor cos, Tensor sin, Tensor keys, Tensor values) {}

  /** Whether {@link #of} takes these: with kernels for where they are, and sizes that fit. */
  public static boolean covers(Operands x, StepPlace place) {
    return launcher(x, place).isPresent();
  }

  private static Optional<KernelLauncher> launcher(Operands x, StepPlace place) {
    Tensor q = x.query;
    long d = q.size(3);
    boolean fits =
        CardTensors.suffix(q.dtype()).isPresent()
            && areAlike(q, x.key, x.value, x.cos, x.sin, x.keys, x.values)
            && q.size(2) == 1
            && q.stride(3) == 1
            && x.key.stride(3) == 1
            && x.value.stride(3) == 1
            && q.size(1) % x.key.size(1) == 0
            && x.key.shape().equals(x.value.shape())
            && x.key.shape().equals(Shape.of(q.size(0), x.key.size(1), 1, d))
            && x.keys.shape().equals(Shape.of(q.size(0), x.key.size(1), place.capacity(), d))
            && x.keys.shape().equals(x.values.shape())
            && x.cos.shape().equals(x.sin.shape())
            && x.cos.size(0) == 1
            && x.cos.size(2) >= place.capacity()
            && x.cos.size(3) <= d
            && x.cos.size(3) % 2 == 0
            && d % 8 == 0
            && d <= LARGEST_HEAD
            && isGapless(x.keys)
            && isGapless(x.values)
            && x.cos.isContiguous()
            && x.sin.isContiguous()
            && maskFits(place.mask(), q.size(0));
    return fits
        ? CARDS.anywhere(
            q, x.key, x.value, x.cos, x.sin, x.keys, x.values, place.position(), place.mask())
        : Optional.empty();
  }

  private static boolean areAlike(Tensor... tensors) {
    boolean alike = true;
    for (Tensor each : tensors) {
      alike &= each.rank() == 4 && each.dtype() == tensors[0].dtype() && each.numel() > 0;
    }
    return alike;
  }

  private static boolean isGapless(Tensor cache) {
    return cache.isContiguous() && cache.address() % 16 == 0;
  }

  private static boolean maskFits(@Nullable Tensor mask, long rows) {
    return mask == null || mask.size(0) == rows;
  }

  /**
   * {@code softmax(cap tanh(scale q k^T / cap)) v} of the new token. Outside the graph.
   *
   * @param place which token it is, below c: not checked
   * @return (b, 1, h d)
   */
  public static Tensor of(Operands x, Rule rule, StepPlace place) {
    KernelLauncher kernels =
        launcher(x, place)
            .orElseThrow(
                () ->
                    new TorchException.ShapeMismatch(
                        "No kernel for a step of "
                            + x
                            + " with room for "
                            + place.capacity()
                            + " tokens. Ask covers() first."));
    Tensor q = x.query;
    long rows = q.size(0);
    long heads = q.size(1);
    long served = x.key.size(1);
    long d = q.size(3);
    int together = heads == served ? 1 : HEADS_TOGETHER;
    long groups = rows * served * ((heads / served + together - 1) / together);
    long blocks = blocks(groups, place.capacity(), rule.window);
    Tensor y = Creation.empty(q.dtype(), q.device(), rows, 1, heads * d);
    Tensor mask = place.mask();
    kernels.launch(
        "decodeAttention" + together + CardTensors.suffix(q.dtype()).orElseThrow(),
        new LaunchGrid(Math.toIntExact(blocks), Math.toIntExact(groups), THREADS),
        q.address(),
        q.stride(0),
        q.stride(1),
        x.key.address(),
        x.key.stride(0),
        x.key.stride(1),
        x.value.address(),
        x.value.stride(0),
        x.value.stride(1),
        x.cos.address(),
        x.sin.address(),
        x.cos.size(3),
        rule.inPairs ? 1 : 0,
        x.keys.address(),
        x.values.address(),
        place.capacity(),
        place.position().address(),
        mask == null ? 0 : mask.address(),
        y.address(),
        place.partials(rows * heads * blocks * (d + 2)).address(),
        place.counters(groups).address(),
        heads,
        served,
        d,
        rule.window,
        KernelLauncher.argument(rule.scale),
        KernelLauncher.argument(rule.cap));
    return y;
  }

  private static long blocks(long groups, long capacity, long window) {
    long tokens = window > 0 ? Math.min(window, capacity) : capacity;
    long useful = (tokens + TOKENS_OF_BLOCK - 1) / TOKENS_OF_BLOCK;
    return Math.max(1, Math.min(useful, BLOCKS / groups));
  }
}
