package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.util.Arrays;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Prints text as its tokens come. A token may end inside a character, so what is printed is the
 * growth of the decoded whole, held back while it ends in an incomplete character.
 */
final class TextStream {
  private static final char INCOMPLETE = '\uFFFD';

  private final Tokenizer tokenizer;
  private final PrintWriter out;
  private long[] ids;
  private int printed;

  TextStream(Tokenizer tokenizer, long[] prompt, boolean echo, PrintWriter out) {
    this.tokenizer = tokenizer;
    this.out = out;
    ids = prompt.clone();
    if (echo) {
      print(true);
    } else {
      printed = text().length();
    }
  }

  /** Takes one more token. */
  void add(int token) {
    ids = Arrays.copyOf(ids, ids.length + 1);
    ids[ids.length - 1] = token;
    print(false);
  }

  /** Prints what was held back, and ends the line. */
  void finish() {
    print(true);
    out.println();
    out.flush();
  }

  private void print(boolean all) {
    String text = text();
    int end = text.length();
    while (!all && end > printed && text.charAt(end - 1) == INCOMPLETE) {
      end--;
    }
    if (end > printed) {
      out.print(text.substring(printed, end));
      out.flush();
      printed = end;
    }
  }

  private String text() {
    return tokenizer.decode(ids, true);
  }
}
