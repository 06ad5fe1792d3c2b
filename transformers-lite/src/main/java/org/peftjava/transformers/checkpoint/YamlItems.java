package org.peftjava.transformers.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/** Reads the texts that stand after a key of YAML: a list over lines, one in brackets, or one. */
final class YamlItems {
  private static final String INDICATORS = "[]{}&*!|>%@`,#\"'";

  private final String text;
  private final boolean inBrackets;
  private int at;

  /** Something else than a list of texts. */
  private static final class Unknown extends Exception {
    private static final long serialVersionUID = 1L;
  }

  private YamlItems(String text, boolean inBrackets) {
    this.text = text;
    this.inBrackets = inBrackets;
  }

  /**
   * The texts; empty if this is something else, or uses what only a whole YAML reader knows.
   *
   * @param value the rest of the key's line
   * @param more the lines below
   */
  static Optional<List<String>> read(String value, List<String> more) {
    try {
      String inline = value.strip();
      if (inline.isEmpty() || inline.startsWith("#")) {
        return Optional.of(overLines(more));
      }
      String all = (inline + "\n" + String.join("\n", more)).strip();
      if (all.startsWith("[")) {
        return Optional.of(new YamlItems(all.substring(1), true).all());
      }
      return Optional.of(new YamlItems(all, false).all());
    } catch (Unknown e) {
      return Optional.empty();
    }
  }

  private static List<String> overLines(List<String> lines) throws Unknown {
    List<String> items = new ArrayList<>();
    for (String line : lines) {
      String plain = line.strip();
      if (plain.startsWith("- ")) {
        items.addAll(new YamlItems(plain.substring(2), false).all());
      } else if (!plain.isEmpty() && !plain.startsWith("#")) {
        throw new Unknown();
      }
    }
    return items;
  }

  private List<String> all() throws Unknown {
    List<String> items = new ArrayList<>();
    skip();
    while (at < text.length() && text.charAt(at) != ']') {
      items.add(item());
      skip();
      if (inBrackets && at < text.length() && text.charAt(at) == ',') {
        at++;
        skip();
      } else {
        break;
      }
    }
    boolean closed = at < text.length() && text.charAt(at) == ']';
    if (closed) {
      at++;
      skip();
    }
    if (closed != inBrackets || at < text.length()) {
      throw new Unknown();
    }
    return items;
  }

  /** Passes over white space and comments. */
  private void skip() {
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c == '#' && (at == 0 || Character.isWhitespace(text.charAt(at - 1)))) {
        int end = text.indexOf('\n', at);
        at = end < 0 ? text.length() : end;
      } else if (Character.isWhitespace(c)) {
        at++;
      } else {
        return;
      }
    }
  }

  private String item() throws Unknown {
    int start = at;
    char quote = text.charAt(at);
    if (quote == '"') {
      for (at++; at < text.length() && text.charAt(at) != '"'; at++) {
        at += text.charAt(at) == '\\' ? 1 : 0;
      }
      at++;
      return decoded(start);
    }
    if (quote == '\'') {
      at++;
      while (at < text.length() && (text.charAt(at) != '\'' || text.startsWith("''", at))) {
        at += text.charAt(at) == '\'' ? 2 : 1;
      }
      at++;
      if (at > text.length()) {
        throw new Unknown();
      }
      return text.substring(start + 1, at - 1).replace("''", "'");
    }
    while (at < text.length() && !endsPlain()) {
      at++;
    }
    String plain = text.substring(start, at).strip();
    if (plain.isEmpty() || INDICATORS.indexOf(plain.charAt(0)) >= 0 || plain.startsWith("- ")) {
      throw new Unknown();
    }
    return plain;
  }

  private boolean endsPlain() throws Unknown {
    char c = text.charAt(at);
    boolean last = at + 1 == text.length();
    if (c == ':' && (last || Character.isWhitespace(text.charAt(at + 1)))) {
      throw new Unknown(); // a key
    }
    boolean comment = c == '#' && at > 0 && Character.isWhitespace(text.charAt(at - 1));
    return comment || c == '\n' || (inBrackets && (c == ',' || c == ']'));
  }

  /** What stands between double quotes, if it has no escapes that only YAML knows. */
  private String decoded(int start) throws Unknown {
    if (at > text.length()) {
      throw new Unknown();
    }
    try {
      return PythonJson.parse(text.substring(start, at), Path.of(RepoCard.FILE_NAME)).asText();
    } catch (InvalidFileException e) {
      throw new Unknown();
    }
  }
}
