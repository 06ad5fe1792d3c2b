package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/**
 * For which tokens adapters act that wait for their invocation (activated LoRA): for each row of
 * the batch, so many of the last ones.
 *
 * <p>Reference: PEFT {@code lora/variants.py::ALoraLinearVariant.forward, calculate_alora_offsets}.
 *
 * @param offsets by adapter, one number for each row; 0 for none
 */
public record InvokedTokens(Map<String, long[]> offsets) {
  /**
   * Where the last invocation begins, counted from the end.
   *
   * @param row the tokens of a text
   * @return 0 if there is none
   */
  public static long offset(long[] row, long[] invocation) {
    for (int start = row.length - invocation.length; start >= 0; start--) {
      if (Arrays.equals(row, start, start + invocation.length, invocation, 0, invocation.length)) {
        return (long) row.length - start;
      }
    }
    return 0;
  }

  /** What an adapter computes of inputs and the base's outputs. */
  interface Change {
    Tensor of(Tensor x, Tensor y);
  }

  /**
   * Which rows of a layer are given.
   *
   * @param numbers of them; null for all
   * @param of number of all rows of the layer; a multiple of the batch's
   */
  record Rows(long @Nullable [] numbers, long of) {
    private long number(int i) {
      return numbers == null ? i : numbers[i];
    }
  }

  /**
   * The base's outputs, of which an adapter changes those of its tokens.
   *
   * @param x (n, t, d), or (n, d) for tokens that are rows
   * @param y (n, t, o), or (n, o); may be overwritten
   */
  Tensor change(String adapter, Tensor x, Tensor y, Rows rows, Change change) {
    long[] all = offsets.get(adapter);
    if (all == null) {
      return y;
    }
    if (rows.of() % all.length != 0) {
      throw new IllegalStateException(
          "A layer got "
              + rows.of()
              + " rows of a batch of "
              + all.length
              + " and cannot tell which tokens are invoked. Leave it out of targetModules.");
    }
    long each = rows.of() / all.length;
    long tokens = x.rank() == 2 ? each : x.size(1);
    long[] own = new long[Math.toIntExact(x.size(0) / (x.rank() == 2 ? tokens : 1))];
    Arrays.setAll(
        own,
        i ->
            Math.min(
                tokens,
                all[
                    Math.toIntExact(
                        rows.number(x.rank() == 2 ? Math.toIntExact(i * tokens) : i) / each)]));
    long most = Arrays.stream(own).max().orElse(0);
    if (most == 0) {
      return y;
    }
    Tensor changed =
        changed(
            x.reshape(own.length, tokens, x.size(-1)),
            y.reshape(own.length, tokens, y.size(-1)),
            own,
            most,
            change);
    return changed.reshape(y.shape().toArray());
  }

  private static Tensor changed(Tensor x, Tensor y, long[] own, long most, Change change) {
    long first = x.size(1) - most;
    Tensor end = y.narrow(1, first, most);
    Tensor result = change.of(x.narrow(1, first, most).contiguous(), end.copy()).to(y.dtype());
    if (Arrays.stream(own).anyMatch(count -> count < most)) {
      Tensor places = Creation.arange(0, most, y.device()).unsqueeze(0);
      Tensor starts = Creation.ofLongs(own, own.length, 1).to(y.device()).neg().add((double) most);
      result = Ops.where(places.lt(starts).unsqueeze(-1), end, result);
    }
    if (!GradMode.isEnabled()) {
      end.copyInPlace(result);
      return y.alias(); // another object, so that a caller with a copy of rows sees the change
    }
    List<Tensor> parts = new ArrayList<>();
    if (first > 0) {
      parts.add(y.narrow(1, 0, first));
    }
    parts.add(result);
    return parts.size() == 1 ? result : Creation.cat(parts, 1);
  }
}
