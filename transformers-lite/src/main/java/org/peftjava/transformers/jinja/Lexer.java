package org.peftjava.transformers.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into pieces, with {@code trim_blocks} and {@code lstrip_blocks} as chat templates
 * have them.
 *
 * <p>Reference: jinja2 {@code lexer.py::Lexer.tokeniter}.
 */
final class Lexer {
  private static final Pattern TOKEN =
      Pattern.compile(
          "(?<space>\\s+)"
              + "|(?<float>\\d[\\d_]*(?:\\.\\d[\\d_]*(?:[eE][+-]?\\d+)?|[eE][+-]?\\d+))"
              + "|(?<integer>\\d[\\d_]*)"
              + "|(?<name>[\\p{L}_][\\p{L}\\p{N}\\p{M}_]*)"
              + "|(?<operator>\\*\\*|//|==|!=|>=|<=|[-+*/%~\\[\\](){}><=.:|,])",
          Pattern.UNICODE_CHARACTER_CLASS);
  private static final Pattern RAW =
      Pattern.compile(
          "\\{%([-+]?)\\s*raw\\s*(-%\\}\\s*|%\\}\\n?)", Pattern.UNICODE_CHARACTER_CLASS);
  private static final Pattern RAW_END =
      Pattern.compile(
          "\\{%([-+]?)\\s*endraw\\s*(\\+%\\}|-%\\}\\s*|%\\}\\n?)", Pattern.UNICODE_CHARACTER_CLASS);

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;
  private boolean lineStarting = true;

  private Lexer(String source) {
    this.source = source;
  }

  static List<Token> tokens(String template) {
    String source = template.replace("\r\n", "\n").replace('\r', '\n');
    if (source.endsWith("\n")) {
      source = source.substring(0, source.length() - 1);
    }
    Lexer lexer = new Lexer(source);
    lexer.root();
    return lexer.tokens;
  }

  private void root() {
    while (at < source.length()) {
      int begin = nextTag();
      if (begin < 0) {
        add(Token.Kind.DATA, source.substring(at));
        break;
      }
      char kind = source.charAt(begin + 1);
      char sign = begin + 2 < source.length() ? source.charAt(begin + 2) : ' ';
      data(source.substring(at, begin), sign, kind != '{');
      advance(begin);
      switch (kind) {
        case '#' -> comment();
        case '{' -> tag(Token.Kind.VARIABLE_BEGIN, Token.Kind.VARIABLE_END, sign, "}}");
        default -> {
          Matcher raw = RAW.matcher(source).region(at, source.length());
          if (raw.lookingAt()) {
            raw(raw);
          } else {
            tag(Token.Kind.BLOCK_BEGIN, Token.Kind.BLOCK_END, sign, "%}");
          }
        }
      }
    }
    tokens.add(new Token(Token.Kind.EOF, "", line));
  }

  private int nextTag() {
    for (int i = source.indexOf('{', at); i >= 0; i = source.indexOf('{', i + 1)) {
      if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  /** Text before a tag, without the white space that the tag takes. */
  private void data(String text, char sign, boolean isBlock) {
    String kept = text;
    if (sign == '-') {
      kept = Text.stripEnd(text);
    } else if (sign != '+' && isBlock) {
      int lineStart = text.lastIndexOf('\n') + 1;
      if ((lineStart > 0 || lineStarting) && Text.isBlank(text.substring(lineStart))) {
        kept = text.substring(0, lineStart);
      }
    }
    if (!kept.isEmpty()) {
      add(Token.Kind.DATA, kept);
    }
  }

  private void comment() {
    int end = source.indexOf("#}", at + 2);
    if (end < 0) {
      throw new JinjaException("a comment is not closed: expected #}", line);
    }
    char sign = end > at + 2 ? source.charAt(end - 1) : ' ';
    advance(end + 2);
    afterTag(sign, true);
  }

  private void raw(Matcher raw) {
    advance(raw.end());
    Matcher end = RAW_END.matcher(source);
    if (!end.find(at)) {
      throw new JinjaException("{% raw %} is not closed: expected {% endraw %}", line);
    }
    String sign = end.group(1);
    data(source.substring(at, end.start()), sign.isEmpty() ? ' ' : sign.charAt(0), true);
    advance(end.end());
    lineStarting = end.group().endsWith("\n");
  }

  private void tag(Token.Kind begin, Token.Kind endKind, char sign, String end) {
    add(begin, "");
    advance(at + (sign == '-' || sign == '+' ? 3 : 2));
    Deque<Character> open = new ArrayDeque<>();
    while (true) {
      if (open.isEmpty() && endsHere(end, endKind)) {
        return;
      }
      if (at >= source.length()) {
        throw new JinjaException("a tag is not closed: expected " + end, line);
      }
      char c = source.charAt(at);
      if (c == '\'' || c == '"') {
        string(c);
      } else {
        token(open);
      }
    }
  }

  private boolean endsHere(String end, Token.Kind kind) {
    char sign = ' ';
    int from = at;
    if (at < source.length() && "-+".indexOf(source.charAt(at)) >= 0) {
      boolean isPlusOfVariable = source.charAt(at) == '+' && kind == Token.Kind.VARIABLE_END;
      sign = isPlusOfVariable ? ' ' : source.charAt(at);
      from = isPlusOfVariable ? at : at + 1;
    }
    if (!source.startsWith(end, from)) {
      return false;
    }
    add(kind, "");
    advance(from + 2);
    afterTag(sign, kind == Token.Kind.BLOCK_END);
    return true;
  }

  private void afterTag(char sign, boolean trims) {
    lineStarting = false;
    int end = at;
    if (sign == '-') {
      while (end < source.length() && Text.isSpace(source.charAt(end))) {
        end++;
      }
    } else if (sign != '+' && trims && end < source.length() && source.charAt(end) == '\n') {
      end++;
    }
    if (end > at) {
      lineStarting = source.charAt(end - 1) == '\n';
      advance(end);
    }
  }

  private void token(Deque<Character> open) {
    Matcher matcher = TOKEN.matcher(source).region(at, source.length());
    if (!matcher.lookingAt()) {
      throw new JinjaException("unexpected character '" + source.charAt(at) + "'", line);
    }
    String text = matcher.group();
    if (matcher.group("float") != null) {
      add(Token.Kind.FLOAT, text.replace("_", ""));
    } else if (matcher.group("integer") != null) {
      add(Token.Kind.INTEGER, text.replace("_", ""));
    } else if (matcher.group("name") != null) {
      add(Token.Kind.NAME, text);
    } else if (matcher.group("operator") != null) {
      char c = text.charAt(0);
      if ("([{".indexOf(c) >= 0) {
        open.push(c == '(' ? ')' : c == '[' ? ']' : '}');
      } else if (")]}".indexOf(c) >= 0 && (open.isEmpty() || open.pop() != c)) {
        throw new JinjaException("unexpected '" + c + "'", line);
      }
      add(Token.Kind.OPERATOR, text);
    }
    advance(matcher.end());
  }

  private void string(char quote) {
    int end = at + 1;
    while (end < source.length() && source.charAt(end) != quote) {
      end += source.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= source.length()) {
      throw new JinjaException("a string is not closed: expected " + quote, line);
    }
    add(Token.Kind.STRING, Text.unescape(source.substring(at + 1, end)));
    advance(end + 1);
  }

  private void add(Token.Kind kind, String text) {
    tokens.add(new Token(kind, text, line));
  }

  private void advance(int to) {
    for (int i = at; i < to; i++) {
      if (source.charAt(i) == '\n') {
        line++;
      }
    }
    at = to;
  }
}
