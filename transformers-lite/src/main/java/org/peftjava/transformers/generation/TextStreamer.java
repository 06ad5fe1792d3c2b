package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.function.Consumer;
import org.peftjava.transformers.tokenizer.DecodeOptions;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Makes text of tokens as they come, word by word: a piece ends behind a space, a new line or a
 * Chinese character, so that no half character and no half word is passed on. For one row.
 *
 * <p>Same pieces as transformers' {@code TextStreamer} without the prompt. Call {@link #end} when
 * the generation is over.
 */
public final class TextStreamer implements TokenListener {
  private final Tokenizer tokenizer;
  private final boolean skipSpecialTokens;
  private final Consumer<String> consumer;
  private long[] pending = {};
  private int passedOn;

  /**
   * A streamer to a consumer.
   *
   * @param options how tokens become text
   */
  public TextStreamer(
      Tokenizer tokenizer, Consumer<DecodeOptions.Builder> options, Consumer<String> consumer) {
    this.tokenizer = tokenizer;
    this.consumer = consumer;
    DecodeOptions.Builder builder = DecodeOptions.builder();
    options.accept(builder);
    skipSpecialTokens = builder.build().skipSpecialTokens();
  }

  @Override
  public boolean onTokens(long[] tokens) {
    if (tokens.length != 1) {
      throw new IllegalArgumentException(
          "A stream of text needs one row, got "
              + tokens.length
              + ". Generate for one prompt, with num_return_sequences 1.");
    }
    pending = Arrays.copyOf(pending, pending.length + 1);
    pending[pending.length - 1] = tokens[0];
    String text = tokenizer.decode(pending, skipSpecialTokens);
    if (text.endsWith("\n")) {
      flush(text);
    } else if (!text.isEmpty() && isChinese(text.codePointBefore(text.length()))) {
      pass(text, text.length());
    } else {
      pass(text, text.lastIndexOf(' ') + 1);
    }
    return true;
  }

  /** Passes on what is left. */
  public void end() {
    flush(tokenizer.decode(pending, skipSpecialTokens));
  }

  private void flush(String text) {
    pass(text, text.length());
    pending = new long[0];
    passedOn = 0;
  }

  private void pass(String text, int end) {
    if (end > passedOn) {
      consumer.accept(text.substring(passedOn, end));
      passedOn = end;
    }
  }

  /** The blocks of CJK ideographs, whose words have no spaces between them. */
  private static boolean isChinese(int character) {
    return (character >= 0x4E00 && character <= 0x9FFF)
        || (character >= 0x3400 && character <= 0x4DBF)
        || (character >= 0x20000 && character <= 0x2A6DF)
        || (character >= 0x2A700 && character <= 0x2CEAF)
        || (character >= 0xF900 && character <= 0xFAFF)
        || (character >= 0x2F800 && character <= 0x2FA1F);
  }
}
