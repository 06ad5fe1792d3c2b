package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.KvCache;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The decoding loop: asks a model for the logits of the next token, chooses one per row, and goes
 * on until every row has ended.
 *
 * <p>Reference: transformers' {@code GenerationMixin._sample}. The only thing read from the device
 * is one token id per row and step.
 */
public final class Generator {
  private static final Logger LOG = LoggerFactory.getLogger(Generator.class);
  private static final int DEFAULT_NEW_TOKENS = 20;

  private final DecoderModel model;
  private final GenerationConfig config;
  private final TokenListener listener;
  private final Set<Long> eos;

  /** A loop over this model with these settings. */
  public Generator(DecoderModel model, GenerationConfig config, TokenListener listener) {
    this.model = model;
    this.config = config;
    this.listener = listener;
    this.eos = new HashSet<>(config.eosTokenIds());
  }

  /**
   * Continues each prompt.
   *
   * @param prompts ids, one row per prompt, all rows of one length, padded on the left
   * @param attentionMask 1 for tokens and 0 for padding
   * @return prompts and continuations, one length for all rows
   */
  public long[][] generate(long[][] prompts, long[][] attentionMask) {
    checkPrompts(prompts, attentionMask);
    int width = prompts[0].length;
    int length = totalLength(width, longest(attentionMask));
    Randomness.State before = config.seed().isPresent() ? Randomness.save() : null;
    try (GradMode off = GradMode.noGrad()) {
      config.seed().ifPresent(Randomness::manualSeed);
      if (!config.useCache()) {
        return decode(prompts, attentionMask, length, null);
      }
      try (KvCache cache = model.newCache(length)) {
        return decode(prompts, attentionMask, length, cache);
      }
    } finally {
      if (before != null) {
        Randomness.restore(before);
      }
    }
  }

  private long[][] decode(
      long[][] prompts, long[][] attentionMask, int length, @Nullable KvCache cache) {
    int rows = prompts.length;
    int at = prompts[0].length;
    long[][] ids = new long[rows][];
    for (int row = 0; row < rows; row++) {
      ids[row] = Arrays.copyOf(prompts[row], length);
    }
    boolean[] ended = new boolean[rows];
    long filler = config.padTokenId().orElse(eos.isEmpty() ? 0 : config.eosTokenIds().get(0));
    NextToken choice = new NextToken(config, at);
    try (TensorScope scope = TensorScope.open("decode")) {
      Tensor mask = isPadded(attentionMask) ? fullMask(attentionMask, length) : null;
      boolean goOn = true;
      while (goOn && at < length) {
        long[] next = step(ids, at, mask, cache, choice);
        boolean open = false;
        for (int row = 0; row < rows; row++) {
          if (ended[row]) {
            next[row] = filler;
          }
          ids[row][at] = next[row];
          ended[row] |= eos.contains(next[row]);
          open |= !ended[row];
        }
        at++;
        goOn = listener.onTokens(next) && open;
      }
    }
    for (int row = 0; row < rows; row++) {
      ids[row] = Arrays.copyOf(ids[row], at);
    }
    return ids;
  }

  private long[] step(
      long[][] ids, int at, @Nullable Tensor mask, @Nullable KvCache cache, NextToken choice) {
    try (TensorScope scope = TensorScope.open("decode step")) {
      int from = cache == null ? 0 : Math.toIntExact(cache.length());
      long[][] fresh = new long[ids.length][];
      for (int row = 0; row < fresh.length; row++) {
        fresh[row] = Arrays.copyOfRange(ids[row], from, at);
      }
      Tensor seen = mask == null ? null : mask.narrow(1, 0, at);
      Tensor input = Creation.ofLongs(fresh).to(model.device());
      return choice.choose(model.logits(input, seen, cache), ids, at);
    }
  }

  /** The mask of the prompts, followed by ones for the tokens to come. */
  private Tensor fullMask(long[][] attentionMask, int length) {
    long[][] full = new long[attentionMask.length][];
    for (int row = 0; row < full.length; row++) {
      full[row] = Arrays.copyOf(attentionMask[row], length);
      Arrays.fill(full[row], attentionMask[row].length, length, 1);
    }
    return Creation.ofLongs(full).to(model.device());
  }

  private int totalLength(int width, int longestPrompt) {
    int room = width + model.maxPositions() - longestPrompt;
    int wanted;
    if (config.maxNewTokens().isPresent()) {
      wanted = Math.addExact(width, config.maxNewTokens().getAsInt());
    } else if (config.maxLength().isPresent()) {
      wanted = config.maxLength().getAsInt();
      if (wanted <= width) {
        throw new IllegalArgumentException(
            "The prompt has "
                + width
                + " tokens, but max_length is "
                + wanted
                + ". Raise max_length, or set max_new_tokens, which does not count the prompt.");
      }
    } else {
      wanted = Math.min(width + DEFAULT_NEW_TOKENS, Math.max(room, width + 1));
    }
    if (wanted > room) {
      throw new IllegalArgumentException(
          "A prompt of "
              + longestPrompt
              + " tokens and "
              + (wanted - width)
              + " new ones are "
              + (longestPrompt + wanted - width)
              + " tokens, but the model has positions for "
              + model.maxPositions()
              + ". Shorten the prompt or lower max_new_tokens.");
    }
    return wanted;
  }

  private static void checkPrompts(long[][] prompts, long[][] attentionMask) {
    if (prompts.length == 0 || prompts[0].length == 0) {
      throw new IllegalArgumentException(
          "Nothing to continue: the batch is empty. Pass at least one token per row.");
    }
    int width = prompts[0].length;
    boolean rightPadded = false;
    for (int row = 0; row < prompts.length; row++) {
      if (prompts[row].length != width
          || row >= attentionMask.length
          || attentionMask[row].length != width) {
        throw new IllegalArgumentException(
            "Row "
                + row
                + " of the batch does not have "
                + width
                + " ids and as many mask values, like row 0. Pad the rows on the left.");
      }
      rightPadded |= attentionMask[row][width - 1] == 0;
    }
    if (rightPadded) {
      LOG.warn(
          "The batch is padded on the right, so the model continues the padding. Encode prompts"
              + " with padding on the left.");
    }
  }

  private static boolean isPadded(long[][] attentionMask) {
    return Arrays.stream(attentionMask).flatMapToLong(Arrays::stream).anyMatch(value -> value == 0);
  }

  private static int longest(long[][] attentionMask) {
    return Math.toIntExact(
        Arrays.stream(attentionMask).mapToLong(row -> Arrays.stream(row).sum()).max().orElse(0));
  }
}
