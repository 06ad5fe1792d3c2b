package org.peftjava.transformers.training;

import java.util.function.Consumer;

/**
 * How texts become training sequences.
 *
 * @param textField the JSON field with the text; ignored where a line has the prompt field
 * @param promptField the JSON field with what the model is given and does not learn: a text, or the
 *     messages of a chat
 * @param completionField the JSON field with what follows the prompt and is learned, of the same
 *     kind
 * @param messagesField the JSON field with a chat, which the tokenizer's template writes; all of it
 *     is learned
 * @param maxLength tokens that a sequence may have; 0 for no limit
 * @param truncation whether a longer text is cut at {@code maxLength}; otherwise it is an error
 * @param packing whether all texts are joined and cut into blocks of {@code maxLength} tokens, so
 *     that nothing is padded; the last block may be shorter
 * @param appendEosToken whether each text, but no chat, ends with the tokenizer's end-of-sequence
 *     token, so that the model learns where to stop
 */
public record DatasetOptions(
    String textField,
    String promptField,
    String completionField,
    String messagesField,
    int maxLength,
    boolean truncation,
    boolean packing,
    boolean appendEosToken) {
  /** Checks the values against each other. */
  public DatasetOptions {
    if (maxLength < 0) {
      throw new IllegalArgumentException(
          "DatasetOptions: maxLength must not be negative, got "
              + maxLength
              + ". 0 means no limit.");
    }
    if (packing && maxLength < 2) {
      throw new IllegalArgumentException(
          "DatasetOptions: packing needs maxLength as the size of its blocks, at least 2, got "
              + maxLength
              + ".");
    }
    if (truncation && maxLength == 0) {
      throw new IllegalArgumentException(
          "DatasetOptions: truncation needs maxLength, the length to cut at, got 0.");
    }
  }

  /** Options from their defaults and changes. */
  static DatasetOptions of(Consumer<Builder> changes) {
    Builder builder = builder();
    changes.accept(builder);
    return builder.build();
  }

  /**
   * Fields "text", "prompt", "completion" and "messages"; no limit, no packing; texts end with EOS.
   */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options. */
  public static final class Builder {
    private String textField = "text";
    private String promptField = "prompt";
    private String completionField = "completion";
    private String messagesField = "messages";
    private int maxLength;
    private boolean truncation;
    private boolean packing;
    private boolean appendEosToken = true;

    private Builder() {}

    /** The JSON field with the text. */
    public Builder textField(String name) {
      textField = name;
      return this;
    }

    /** The JSON field with the prompt. */
    public Builder promptField(String name) {
      promptField = name;
      return this;
    }

    /** The JSON field with the completion. */
    public Builder completionField(String name) {
      completionField = name;
      return this;
    }

    /** The JSON field with a chat: a list of objects with "role" and "content". */
    public Builder messagesField(String name) {
      messagesField = name;
      return this;
    }

    /** Tokens that a sequence may have; 0 for no limit. */
    public Builder maxLength(int tokens) {
      maxLength = tokens;
      return this;
    }

    /** Whether longer texts are cut. */
    public Builder truncation(boolean on) {
      truncation = on;
      return this;
    }

    /** Whether texts are joined into blocks. */
    public Builder packing(boolean on) {
      packing = on;
      return this;
    }

    /** Whether each text ends with the end-of-sequence token. */
    public Builder appendEosToken(boolean on) {
      appendEosToken = on;
      return this;
    }

    /** The options. */
    public DatasetOptions build() {
      return new DatasetOptions(
          textField,
          promptField,
          completionField,
          messagesField,
          maxLength,
          truncation,
          packing,
          appendEosToken);
    }
  }
}
