package org.peftjava.torch.kernels;

import java.util.List;
import java.util.stream.LongStream;

/**
 * One AdamW step over a list of parameters whose moments are in 8-bit codes, with a scale for each
 * {@link #BLOCK} numbers, or in float32.
 *
 * <p>For each element in float32, in the order of bitsandbytes' {@code
 * kOptimizerStatic8bit2StateBlockwise}: {@code m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p = (p -
 * lr sqrt(1-b2^t)/(1-b1^t) m / (sqrt(v) + sqrt(1-b2^t) eps)) (1 - lr wd)}. An element whose squared
 * gradient is not finite stays as it is and has its moments set to 0.
 */
public final class AdamW8bitKernel {
  /** Numbers that share a scale. */
  public static final int BLOCK = 256;

  private static final String NAME = "AdamW8bitKernel";

  /**
   * A parameter of {@code count} numbers; all but the last two are addresses.
   *
   * @param type of the parameter and its gradient
   * @param state1 first moments: a code each, or a float32 each where there are no scales
   * @param absmax1 float32, one for {@link #BLOCK} numbers, or 0 for none; so {@code absmax2}
   * @param step this step's number, from 1
   */
  public record Entry(
      ElementType type,
      long parameter,
      long gradient,
      long state1,
      long state2,
      long absmax1,
      long absmax2,
      long count,
      long step) {
    /** Checks addresses and counts. */
    public Entry {
      Arguments.size(NAME, "count", count);
      Arguments.addresses(NAME, count, parameter, gradient, state1, state2);
      if (step < 1) {
        throw new IllegalArgumentException(NAME + ": step counts from 1, got " + step + ".");
      }
      if ((absmax1 == 0) != (absmax2 == 0)) {
        throw new IllegalArgumentException(
            NAME + ": only one of the moments has scales. Expected both or none.");
      }
    }
  }

  private AdamW8bitKernel() {}

  /**
   * Updates parameters and states in place; gradients are only read.
   *
   * @param means the map of the first moments' codes; of {@code squares} the second
   */
  public static void step(
      List<Entry> entries,
      ByteMap means,
      ByteMap squares,
      double lr,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      int threads) {
    Arguments.call(NAME, threads);
    KernelLibrary.adamw8bit(
        entries.stream().flatMapToLong(AdamW8bitKernel::words).toArray(),
        entries.stream().mapToLong(Entry::count).toArray(),
        entries.size(),
        means.values,
        means.limits,
        means.first,
        squares.values,
        squares.limits,
        squares.first,
        lr,
        beta1,
        beta2,
        eps,
        weightDecay,
        threads);
  }

  private static LongStream words(Entry entry) {
    return LongStream.of(
        entry.parameter,
        entry.gradient,
        entry.state1,
        entry.state2,
        entry.absmax1,
        entry.absmax2,
        entry.step,
        entry.type.code());
  }
}
