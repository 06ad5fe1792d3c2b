package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * The model's part of the loop: tokens that it has not seen go in, logits of the next come out. A
 * prompt is computed once, whatever number of rows continue it.
 */
final class DecodingSteps {
  private final DecoderSession session;
  private final Device device;
  private final int copies;
  private final int chunk;
  private final @Nullable Tensor promptMask;
  private final @Nullable Tensor mask;
  private boolean begun;

  /**
   * Owned by the current scope, as its masks are.
   *
   * @param prompts of the decoder
   * @param length the longest that rows become
   * @param copies rows of each prompt
   */
  DecodingSteps(
      DecoderSession session,
      Device device,
      TokenBatch prompts,
      int length,
      int copies,
      GenerationConfig config) {
    this.session = session;
    this.device = device;
    this.copies = copies;
    chunk = config.prefillChunkSize().orElse(Integer.MAX_VALUE);
    promptMask = isPadded(prompts) ? fullMask(prompts.attentionMask(), length) : null;
    mask = promptMask == null || copies == 1 ? promptMask : repeated(promptMask);
  }

  /**
   * Logits (b, v) of the token that comes at a place.
   *
   * @param ids all rows, of which the first {@code at} tokens count
   */
  Tensor logits(long[][] ids, int at) {
    if (!begun) {
      begun = true;
      return prefill(ids, at);
    }
    return forward(ids, Math.toIntExact(session.length()), at, 1, mask);
  }

  /**
   * Logits (1, k, v) of the last {@code positions} tokens before a place, of a single row.
   *
   * @param ids the row, of which the first {@code to} tokens count
   */
  Tensor logits(long[][] ids, int to, int positions) {
    int from = Math.toIntExact(session.length());
    int prompt = to - positions + 1;
    for (; !begun && prompt - from > chunk; from += chunk) {
      try (TensorScope scope = TensorScope.open("prefill")) {
        forward(ids, from, from + chunk, 1, promptMask);
      }
    }
    begun = true;
    Tensor seen = promptMask == null ? null : promptMask.narrow(1, 0, to);
    return session.logits(fresh(ids, from, to, 1), seen, positions);
  }

  /** Forgets all but the first tokens. */
  void crop(long length) {
    session.crop(length);
  }

  /**
   * Computes the prompts (p, n) once, with the hidden states of all their tokens; from then on
   * there are {@code copies} rows of each.
   */
  DecoderSession.Step begin(long[][] prompts, int at) {
    begun = true;
    long[][] fresh = new long[prompts.length][];
    Arrays.setAll(fresh, row -> Arrays.copyOf(prompts[row], at));
    Tensor seen = promptMask == null ? null : promptMask.narrow(1, 0, at);
    DecoderSession.Step step = session.step(Creation.ofLongs(fresh).to(device), seen);
    session.expand(copies);
    return step;
  }

  /** Feeds one token to each row, which comes at a place. */
  DecoderSession.Step step(long[] tokens, int at) {
    Tensor seen = mask == null ? null : mask.narrow(1, 0, at + 1);
    return session.step(Creation.ofLongs(tokens, tokens.length, 1).to(device), seen);
  }

  /** (p, length), 1 for tokens, those to come included, and 0 for padding; or null. */
  @Nullable Tensor promptMask() {
    return promptMask;
  }

  /** Lets rows go on from what others remember, which differs behind {@code from} tokens. */
  void reorder(long[] rows, int from) {
    session.reorder(rows, from);
  }

  private Tensor prefill(long[][] ids, int at) {
    int from = 0;
    for (; at - from > chunk; from += chunk) {
      try (TensorScope scope = TensorScope.open("prefill")) {
        forward(ids, from, from + chunk, copies, promptMask);
      }
    }
    Tensor logits = forward(ids, from, at, copies, promptMask);
    if (copies > 1) {
      session.expand(copies);
      return repeated(logits);
    }
    return logits;
  }

  /** Feeds tokens {@code from} to {@code to} of every {@code stride}-th row. */
  private Tensor forward(long[][] ids, int from, int to, int stride, @Nullable Tensor fullMask) {
    Tensor seen = fullMask == null ? null : fullMask.narrow(1, 0, to);
    return session.logits(fresh(ids, from, to, stride), seen);
  }

  private Tensor fresh(long[][] ids, int from, int to, int stride) {
    long[][] fresh = new long[ids.length / stride][];
    Arrays.setAll(fresh, row -> Arrays.copyOfRange(ids[row * stride], from, to));
    return Creation.ofLongs(fresh).to(device);
  }

  /** Each row {@code copies} times. */
  private Tensor repeated(Tensor matrix) {
    long rows = matrix.size(0);
    long[] index = LongStream.range(0, rows * copies).map(row -> row / copies).toArray();
    return matrix.indexSelect(0, Creation.ofLongs(index, index.length).to(device));
  }

  /** The mask of the prompts, followed by ones for the tokens to come. */
  private Tensor fullMask(long[][] attentionMask, int length) {
    long[][] full = new long[attentionMask.length][];
    for (int row = 0; row < full.length; row++) {
      full[row] = Arrays.copyOf(attentionMask[row], length);
      Arrays.fill(full[row], attentionMask[row].length, length, 1);
    }
    return Creation.ofLongs(full).to(device);
  }

  private static boolean isPadded(TokenBatch prompts) {
    return Arrays.stream(prompts.attentionMask())
        .flatMapToLong(Arrays::stream)
        .anyMatch(value -> value == 0);
  }
}
