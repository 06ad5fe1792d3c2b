package org.peftjava.transformers.jinja;

import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.peftjava.transformers.config.PythonJson;

/**
 * The filter {@code tojson}: Python's {@code json.dumps(x, ensure_ascii=False, ...)}, which chat
 * templates have instead of jinja2's own.
 *
 * <p>Reference: transformers {@code utils/chat_template_utils.py}.
 */
final class JsonText {
  private final StringBuilder out = new StringBuilder();
  private final Budget budget;
  private final boolean ensureAscii;
  private final boolean sortKeys;
  private final String indent;
  private final boolean isIndented;
  private final String itemSeparator;
  private final String keySeparator;

  private JsonText(Arguments arguments) {
    budget = arguments.budget();
    ensureAscii = Values.isTrue(arguments.get(1, "ensure_ascii", false));
    Object width = arguments.get(2, "indent", None.NONE);
    isIndented = width != None.NONE;
    if (width instanceof String text) {
      indent = text;
    } else {
      int spaces = arguments.integer(2, "indent", 0);
      budget.make(spaces);
      indent = " ".repeat(Math.max(0, spaces));
    }
    Object separators = arguments.get(3, "separators", None.NONE);
    if (separators == None.NONE) {
      itemSeparator = isIndented ? "," : ", ";
      keySeparator = ": ";
    } else {
      List<Object> both = Values.items(separators, budget);
      if (both.size() != 2) {
        throw new JinjaException("tojson needs two separators");
      }
      itemSeparator = Values.text(both.get(0));
      keySeparator = Values.text(both.get(1));
    }
    sortKeys = Values.isTrue(arguments.get(4, "sort_keys", false));
  }

  static String of(Arguments arguments) {
    JsonText json = new JsonText(arguments);
    json.append(arguments.get(0, "x"), 0);
    return json.out.toString();
  }

  private void append(Object value, int depth) {
    if (value instanceof String text) {
      appendText(text);
    } else if (value instanceof Boolean || value instanceof Long) {
      out.append(value);
    } else if (value == None.NONE) {
      out.append("null");
    } else if (value instanceof Double number) {
      out.append(PythonJson.write(DoubleNode.valueOf(number), false));
    } else if (value instanceof Map<?, ?> map) {
      appendMap(Values.cast(map), depth);
    } else if (value instanceof List<?> || value instanceof Tuple) {
      List<Object> items = Values.items(value, budget);
      for (int i = 0; i < items.size(); i++) {
        begin(i == 0 ? "[" : itemSeparator, depth + 1);
        append(items.get(i), depth + 1);
      }
      end(items.isEmpty(), "[]", depth);
    } else {
      throw new JinjaException(
          "a value of type " + Values.typeName(value) + " cannot be written as JSON");
    }
    budget.make(out.length() > Budget.MAX_LENGTH ? out.length() : 1);
  }

  private void appendMap(Map<Object, Object> map, int depth) {
    List<Map.Entry<Object, Object>> entries = new ArrayList<>(map.entrySet());
    if (sortKeys) {
      entries.sort((a, b) -> Operators.compare(a.getKey(), b.getKey(), budget));
    }
    String separator = "{";
    for (Map.Entry<Object, Object> entry : entries) {
      begin(separator, depth + 1);
      Object key = entry.getKey();
      appendText(
          key instanceof String text
              ? text
              : JsonText.of(new Arguments(List.of(key), Map.of(), budget)));
      out.append(keySeparator);
      append(entry.getValue(), depth + 1);
      separator = itemSeparator;
    }
    end(entries.isEmpty(), "{}", depth);
  }

  private void begin(String separator, int depth) {
    out.append(separator);
    newLine(depth);
  }

  private void end(boolean isEmpty, String brackets, int depth) {
    if (isEmpty) {
      out.append(brackets);
      return;
    }
    newLine(depth);
    out.append(brackets.charAt(1));
  }

  private void newLine(int depth) {
    if (isIndented) {
      budget.make((long) depth * indent.length());
      out.append('\n').append(indent.repeat(depth));
    }
  }

  private void appendText(String text) {
    budget.make(text.length());
    if (ensureAscii) {
      out.append(PythonJson.write(TextNode.valueOf(text), false));
      return;
    }
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < 0x20) {
            out.append(String.format("\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
