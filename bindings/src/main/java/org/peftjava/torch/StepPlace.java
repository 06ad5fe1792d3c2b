package org.peftjava.torch;

import org.jspecify.annotations.Nullable;

/**
 * Where one more token of each row comes, in memory of the device: what a step of decoding reads of
 * it is in the same place for every token. Owns its memory: close it.
 *
 * <p>Letters: {@code b} rows, {@code c} tokens that the caches have room for.
 */
public final class StepPlace implements AutoCloseable {
  private final Tensor position;
  private final @Nullable Tensor mask;
  private final long capacity;
  private @Nullable Tensor partials;
  private @Nullable Tensor counters;

  /**
   * A place behind so many tokens.
   *
   * @param capacity c
   * @param padding (b, s), 1 for tokens and 0 for padding, of which all later tokens are none; null
   *     for no padding
   */
  public StepPlace(Device device, long tokens, long capacity, @Nullable Tensor padding) {
    this.capacity = capacity;
    try (TensorScope scope = TensorScope.open("step place");
        GradMode off = GradMode.noGrad()) {
      position = Creation.ofLongs(new long[] {tokens}, 1).to(device).escape();
      mask = padding == null ? null : whole(padding, device).escape();
    }
  }

  private Tensor whole(Tensor padding, Device device) {
    Tensor all = Creation.empty(DType.INT64, device, padding.size(0), capacity).fillInPlace(1);
    all.narrow(1, 0, padding.size(1)).copyInPlace(padding);
    return all;
  }

  /** How many tokens there are before the new one (1), int64. */
  public Tensor position() {
    return position;
  }

  /** (b, c), int64, 1 for tokens and 0 for padding; null for no padding. */
  public @Nullable Tensor mask() {
    return mask;
  }

  /** c. */
  public long capacity() {
    return capacity;
  }

  /** Goes on to the next token: work of the device, as all else of a step. */
  public void advance() {
    position.addInPlace(1);
  }

  /** Goes to a token. */
  public void moveTo(long tokens) {
    position.fillInPlace(tokens);
  }

  /**
   * Memory for {@link DecodeAttention}: float32, contents arbitrary. Larger if none was as large.
   */
  Tensor partials(long count) {
    Tensor result = partials;
    if (result == null || result.numel() < count) {
      result = replaced(result, Creation.empty(DType.FLOAT32, position.device(), count));
      partials = result;
    }
    return result;
  }

  /** The same of int32, 0. */
  Tensor counters(long count) {
    Tensor result = counters;
    if (result == null || result.numel() < count) {
      result = replaced(result, Creation.zeros(DType.INT32, position.device(), count));
      counters = result;
    }
    return result;
  }

  private static Tensor replaced(@Nullable Tensor old, Tensor fresh) {
    if (old != null) {
      old.close();
    }
    return fresh.escape();
  }

  @Override
  public void close() {
    position.close();
    for (Tensor tensor : new @Nullable Tensor[] {mask, partials, counters}) {
      if (tensor != null) {
        tensor.close();
      }
    }
  }
}
