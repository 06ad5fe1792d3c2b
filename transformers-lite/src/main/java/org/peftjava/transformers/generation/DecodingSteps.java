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
  private final long longest;
  private final int width;
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
    width = prompts.length();
    longest = prompts.longest();
    promptMask = isPadded(prompts) ? fullMask(prompts.attentionMask(), length) : null;
    mask = promptMask == null || copies == 1 ? promptMask : repeated(promptMask);
  }

  /**
   * Logits (b, v) of the token that comes at a place.
   *
   * @param ids all rows, of which the first {@code at} tokens count
   */
  Tensor logits(long[][] ids, int at) {
    session.reach(positions(at));
    if (begun) {
      return forward(ids, at, 1, mask);
    }
    begun = true;
    Tensor logits = forward(ids, at, copies, promptMask);
    if (copies > 1) {
      session.expand(copies);
      return repeated(logits);
    }
    return logits;
  }

  /**
   * Logits (1, k, v) of the last {@code positions} tokens before a place, of a single row.
   *
   * @param ids the row, of which the first {@code to} tokens count
   */
  Tensor logits(long[][] ids, int to, int positions) {
    session.reach(positions(to));
    begun = true;
    int from = inParts(ids, to - positions + 1, 1, promptMask);
    return session.logits(fresh(ids, from, to, 1), seen(promptMask, to), positions);
  }

  /** Up to which place a row may be guessed whose first {@code at} tokens are known. */
  long alikeUntil(int at) {
    long most = session.alikeUntil(positions(at));
    return most == Long.MAX_VALUE ? most : most - longest + width;
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
    session.reach(positions(at));
    DecoderSession.Step step =
        session.step(Creation.ofLongs(fresh).to(device), seen(promptMask, at));
    session.expand(copies);
    return step;
  }

  /**
   * Feeds one token to each row, which comes at a place; and those before it anew, if they are not
   * remembered, so that there are hidden states of them all.
   *
   * @param prompts (p, n), each of which {@code copies} rows continue
   * @param tokens of each row
   */
  DecoderSession.Step step(long[][] prompts, long[] tokens, int at) {
    session.reach(positions(at + 1));
    int from = Math.toIntExact(session.length());
    long[][] fresh = new long[tokens.length][];
    for (int row = 0; row < fresh.length; row++) {
      fresh[row] = Arrays.copyOfRange(prompts[row / copies], from, at + 1);
      fresh[row][at - from] = tokens[row];
    }
    return session.step(Creation.ofLongs(fresh).to(device), seen(mask, at + 1));
  }

  /** (p, length), 1 for tokens, those to come included, and 0 for padding; or null. */
  @Nullable Tensor promptMask() {
    return promptMask;
  }

  /** Lets rows go on from what others remember, which differs behind {@code from} tokens. */
  void reorder(long[] rows, int from) {
    session.reorder(rows, from);
  }

  /** Feeds what is not remembered of every {@code stride}-th row, up to a place. */
  private Tensor forward(long[][] ids, int to, int stride, @Nullable Tensor fullMask) {
    int from = inParts(ids, to, stride, fullMask);
    return session.logits(fresh(ids, from, to, stride), seen(fullMask, to));
  }

  /** Feeds so much of it that no more than one part is left, which begins at the place returned. */
  private int inParts(long[][] ids, int to, int stride, @Nullable Tensor fullMask) {
    int from = Math.toIntExact(session.length());
    for (; to - from > chunk; from += chunk) {
      try (TensorScope scope = TensorScope.open("prefill")) {
        session.logits(fresh(ids, from, from + chunk, stride), seen(fullMask, from + chunk));
      }
    }
    return from;
  }

  /** Length of the longest row when all have {@code at} tokens, those of padding not counted. */
  private long positions(int at) {
    return longest + at - width;
  }

  private static @Nullable Tensor seen(@Nullable Tensor fullMask, int to) {
    return fullMask == null ? null : fullMask.narrow(1, 0, to);
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
