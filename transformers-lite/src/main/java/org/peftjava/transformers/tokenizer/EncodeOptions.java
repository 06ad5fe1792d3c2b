package org.peftjava.transformers.tokenizer;

import java.util.Optional;
import java.util.OptionalInt;

/**
 * How texts become a padded batch: the arguments of Python's {@code tokenizer(texts, ...)}.
 *
 * @param isSplitIntoWords the texts are the words of one text, which becomes one row
 * @param addSpecialTokens adds what the model expects around a text, such as OPT's first {@code
 *     </s>}
 * @param padding how far rows are padded
 * @param truncation cuts texts to {@code maxLength}, or to the tokenizer's {@code
 *     model_max_length}, special tokens included
 * @param maxLength longest row after truncation, and row length of {@link Padding#MAX_LENGTH}
 * @param truncationStrategy which text of a pair is cut
 * @param stride how many tokens neighbouring windows of {@code returnOverflowingTokens} share
 * @param returnOverflowingTokens gives what was cut as further rows
 * @param padToMultipleOf rounds the padded length up
 * @param paddingSide overrides the tokenizer's side
 * @param truncationSide overrides the tokenizer's side
 */
public record EncodeOptions(
    boolean isSplitIntoWords,
    boolean addSpecialTokens,
    Padding padding,
    boolean truncation,
    OptionalInt maxLength,
    TruncationStrategy truncationStrategy,
    int stride,
    boolean returnOverflowingTokens,
    OptionalInt padToMultipleOf,
    Optional<Side> paddingSide,
    Optional<Side> truncationSide) {
  /** How far the rows of a batch are padded. */
  public enum Padding {
    /** To the longest row. */
    LONGEST,
    /** To {@code maxLength}. */
    MAX_LENGTH,
    /** Not at all; the rows of a {@link BatchEncoding} then differ in length. */
    DO_NOT_PAD
  }

  /** A builder: special tokens added, padded to the longest row, nothing cut. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options. */
  public static final class Builder {
    private boolean isSplitIntoWords;
    private boolean addSpecialTokens = true;
    private Padding padding = Padding.LONGEST;
    private boolean truncation;
    private OptionalInt maxLength = OptionalInt.empty();
    private TruncationStrategy truncationStrategy = TruncationStrategy.LONGEST_FIRST;
    private int stride;
    private boolean returnOverflowingTokens;
    private OptionalInt padToMultipleOf = OptionalInt.empty();
    private Optional<Side> paddingSide = Optional.empty();
    private Optional<Side> truncationSide = Optional.empty();

    private Builder() {}

    /**
     * Whether the texts are the words of one text, as in a file with a label for each word. {@link
     * BatchEncoding#wordIds} then counts in this list, and {@link BatchEncoding#offsetMapping} in
     * each word. Tokenizers that mark the space before a word (RoBERTa, GPT-2) want {@link
     * TokenizerOptions.Builder#addPrefixSpace} with it.
     */
    public Builder isSplitIntoWords(boolean split) {
      isSplitIntoWords = split;
      return this;
    }

    /** Whether to add special tokens. */
    public Builder addSpecialTokens(boolean add) {
      addSpecialTokens = add;
      return this;
    }

    /** How far to pad. */
    public Builder padding(Padding target) {
      padding = target;
      return this;
    }

    /** Whether to cut long texts. */
    public Builder truncation(boolean cut) {
      truncation = cut;
      return this;
    }

    /** Longest row. */
    public Builder maxLength(int tokens) {
      maxLength = OptionalInt.of(positive("maxLength", tokens));
      return this;
    }

    /** Which text of a pair is cut. */
    public Builder truncationStrategy(TruncationStrategy strategy) {
      truncationStrategy = strategy;
      return this;
    }

    /** How many tokens neighbouring windows share. */
    public Builder stride(int tokens) {
      if (tokens < 0) {
        throw new IllegalArgumentException("stride is " + tokens + "; expected at least 0.");
      }
      stride = tokens;
      return this;
    }

    /** Whether what is cut off comes as further rows. */
    public Builder returnOverflowingTokens(boolean windows) {
      returnOverflowingTokens = windows;
      return this;
    }

    /** Rounds the padded length up to a multiple of this. */
    public Builder padToMultipleOf(int tokens) {
      padToMultipleOf = OptionalInt.of(positive("padToMultipleOf", tokens));
      return this;
    }

    /** Where to pad. */
    public Builder paddingSide(Side side) {
      paddingSide = Optional.of(side);
      return this;
    }

    /** Where to cut. */
    public Builder truncationSide(Side side) {
      truncationSide = Optional.of(side);
      return this;
    }

    /** The options. */
    public EncodeOptions build() {
      return new EncodeOptions(
          isSplitIntoWords,
          addSpecialTokens,
          padding,
          truncation,
          maxLength,
          truncationStrategy,
          stride,
          returnOverflowingTokens,
          padToMultipleOf,
          paddingSide,
          truncationSide);
    }

    private static int positive(String name, int value) {
      if (value <= 0) {
        throw new IllegalArgumentException(name + " is " + value + "; expected at least 1.");
      }
      return value;
    }
  }
}
