package org.peftjava.transformers.tokenizer;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.peftjava.transformers.hub.HubOptions;

/**
 * What to change about a tokenizer while loading it.
 *
 * @param padToken the token that fills short rows, such as the end token for a model without one
 * @param paddingSide where short rows are padded
 * @param truncationSide where long rows are cut
 * @param addPrefixSpace whether a text without a space in front counts as if it had one
 * @param modelMaxLength longest row that truncation leaves unless it is told otherwise
 * @param hub how a name that is no folder is looked up
 * @param subfolder where the files are below the folder or in the repository; empty for there
 */
public record TokenizerOptions(
    Optional<String> padToken,
    Optional<Side> paddingSide,
    Optional<Side> truncationSide,
    Optional<Boolean> addPrefixSpace,
    OptionalInt modelMaxLength,
    Consumer<HubOptions.Builder> hub,
    Optional<String> subfolder) {
  /** A builder that changes nothing. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options. */
  public static final class Builder {
    private Optional<String> padToken = Optional.empty();
    private Optional<Side> paddingSide = Optional.empty();
    private Optional<Side> truncationSide = Optional.empty();
    private Optional<Boolean> addPrefixSpace = Optional.empty();
    private OptionalInt modelMaxLength = OptionalInt.empty();
    private Consumer<HubOptions.Builder> hub = options -> {};
    private Optional<String> subfolder = Optional.empty();

    private Builder() {}

    /** The token that fills short rows; it must be in the vocabulary. */
    public Builder padToken(String token) {
      padToken = Optional.of(token);
      return this;
    }

    /** Where short rows are padded. */
    public Builder paddingSide(Side side) {
      paddingSide = Optional.of(side);
      return this;
    }

    /** Where long rows are cut. */
    public Builder truncationSide(Side side) {
      truncationSide = Optional.of(side);
      return this;
    }

    /**
     * Whether the first word of a text counts as if a space stood in front of it, for tokenizers
     * that mark it (RoBERTa, BART, GPT-2, GPT-NeoX, Qwen): they want it for texts that are split
     * into words.
     */
    public Builder addPrefixSpace(boolean value) {
      addPrefixSpace = Optional.of(value);
      return this;
    }

    /** Longest row that truncation leaves. */
    public Builder modelMaxLength(int tokens) {
      modelMaxLength = OptionalInt.of(tokens);
      return this;
    }

    /** Where the files are below the folder or in the repository. */
    public Builder subfolder(String value) {
      subfolder = Optional.of(value);
      return this;
    }

    /** The branch, tag or commit of a repository on the hub. */
    public Builder revision(String value) {
      return hub(options -> options.revision(value));
    }

    /** How a name that is no folder is looked up; adds to what was said before. */
    public Builder hub(Consumer<HubOptions.Builder> options) {
      hub = hub.andThen(options);
      return this;
    }

    /** The options. */
    public TokenizerOptions build() {
      return new TokenizerOptions(
          padToken, paddingSide, truncationSide, addPrefixSpace, modelMaxLength, hub, subfolder);
    }
  }
}
