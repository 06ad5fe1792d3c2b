package org.peftjava.transformers.checkpoint;

import java.util.Map;
import java.util.regex.Pattern;

/**
 * Texts in YAML, written as PyYAML 6 writes them: plain where that reads as the same text, else
 * quoted.
 *
 * <p>Reference: {@code yaml/emitter.py::analyze_scalar, yaml/resolver.py}.
 */
final class YamlText {
  /** Plain texts that YAML 1.1 reads as something else: null, booleans, numbers, dates. */
  private static final Pattern NOT_A_TEXT =
      Pattern.compile(
          "(?:~|null|Null|NULL|)"
              + "|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
              + "|[-+]?[0-9][0-9_]*\\.[0-9_]*(?:[eE][-+][0-9]+)?|\\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
              + "|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\\.[0-9_]*)?"
              + "|[-+]?\\.(?:inf|Inf|INF)|\\.(?:nan|NaN|NAN)"
              + "|[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+"
              + "|<<|=|[!&*]"
              + "|[0-9]{4}-[0-9]{2}-[0-9]{2}"
              + "|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \\t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}"
              + "(?:\\.[0-9]*)?(?:[ \\t]*(?:Z|[-+][0-9][0-9]?(?::[0-9][0-9])?))?");

  private static final Pattern INDICATOR =
      Pattern.compile(
          "(?s)---.*|\\.\\.\\..*|[#,\\[\\]{}&*!|>'\"%@`].*|[?:-](?:\\s.*)?|.*:(?:\\s.*)?|.*\\s#.*");
  private static final Pattern PRINTABLE =
      Pattern.compile(
          "[\\x20-\\x7E\\xA0-\\uD7FF\\uE000-\\uFEFE\\uFF00-\\uFFFD\\x{10000}-\\x{10FFFF}]*");
  private static final Map<Character, String> ESCAPES =
      Map.ofEntries(
          Map.entry('\0', "\\0"),
          Map.entry('\u0007', "\\a"),
          Map.entry('\b', "\\b"),
          Map.entry('\t', "\\t"),
          Map.entry('\n', "\\n"),
          Map.entry('\u000b', "\\v"),
          Map.entry('\f', "\\f"),
          Map.entry('\r', "\\r"),
          Map.entry('\u001b', "\\e"),
          Map.entry('"', "\\\""),
          Map.entry('\\', "\\\\"),
          Map.entry('\u0085', "\\N"),
          Map.entry('\u2028', "\\L"),
          Map.entry('\u2029', "\\P"));

  private YamlText() {}

  /** A text as a value or an item of a list. */
  static String of(String text) {
    boolean bare =
        PRINTABLE.matcher(text).matches()
            && text.indexOf('\u2028') < 0
            && text.indexOf('\u2029') < 0;
    if (!bare) {
      return doubleQuoted(text);
    }
    boolean plain =
        !NOT_A_TEXT.matcher(text).matches()
            && !INDICATOR.matcher(text).matches()
            && !text.startsWith(" ")
            && !text.endsWith(" ");
    return plain ? text : "'" + text.replace("'", "''") + "'";
  }

  private static String doubleQuoted(String text) {
    StringBuilder result = new StringBuilder("\"");
    text.codePoints()
        .forEach(
            c -> {
              String escape = c <= 0xffff ? ESCAPES.get((char) c) : null;
              boolean raw = c <= 0xffff && PRINTABLE.matcher(Character.toString(c)).matches();
              if (escape != null) {
                result.append(escape);
              } else if (raw) {
                result.appendCodePoint(c);
              } else {
                result.append(
                    (c <= 0xff ? "\\x%02X" : c <= 0xffff ? "\\u%04X" : "\\U%08X").formatted(c));
              }
            });
    return result.append('"').toString();
  }
}
