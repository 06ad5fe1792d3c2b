package org.peftjava.transformers.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;

/**
 * JSON text as Python's {@code json} module reads and writes it: NaN and infinities are allowed,
 * floats print as {@code repr} prints them, non-ASCII characters are escaped.
 */
public final class PythonJson {
  private static final int MAX_STRING = 100_000_000;
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  static {
    MAPPER
        .getFactory()
        .setStreamReadConstraints(
            StreamReadConstraints.builder().maxStringLength(MAX_STRING).build());
  }

  private PythonJson() {}

  /** Reads a file of at most {@code maxBytes} bytes, UTF-8. */
  public static JsonNode read(Path file, long maxBytes) {
    return parse(readText(file, maxBytes), file);
  }

  /** Reads a UTF-8 text file of at most {@code maxBytes} bytes. */
  public static String readText(Path file, long maxBytes) {
    try {
      long size = Files.size(file);
      if (size > maxBytes) {
        throw new InvalidFileException(
            file, "has " + size + " bytes; a file of this kind has at most " + maxBytes + ".");
      }
      byte[] bytes = Files.readAllBytes(file);
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new InvalidFileException(file, "is not UTF-8 text.", e);
    } catch (NoSuchFileException e) {
      throw new UncheckedIOException("There is no file " + file + ".", e);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage() + ".", e);
    }
  }

  /** Parses text; {@code source} is named in errors. */
  public static JsonNode parse(String text, Path source) {
    try {
      JsonNode node = MAPPER.readTree(text);
      if (node == null || node.isMissingNode()) {
        throw new InvalidFileException(source, "is empty; expected JSON.");
      }
      return node;
    } catch (JsonProcessingException e) {
      String where =
          e.getLocation() == null
              ? ""
              : " (line "
                  + e.getLocation().getLineNr()
                  + ", column "
                  + e.getLocation().getColumnNr()
                  + ")";
      throw new InvalidFileException(
          source, "is not valid JSON" + where + ": " + e.getOriginalMessage(), e);
    }
  }

  /**
   * What {@code json.dumps(value, indent=2, sort_keys=sortKeys)} returns.
   *
   * @param sortKeys sorts the keys of every object; else they stay in their order
   */
  public static String write(JsonNode node, boolean sortKeys) {
    return write(node, key -> sortKeys);
  }

  /**
   * The same with the keys sorted of some objects only.
   *
   * @param sortsBelow whether the keys of what is below a key are sorted; the key of the whole is
   *     ""
   */
  public static String write(JsonNode node, Predicate<String> sortsBelow) {
    StringBuilder out = new StringBuilder();
    append(out, node, sortsBelow, sortsBelow.test(""), "\n");
    return out.toString();
  }

  private static void append(
      StringBuilder out,
      JsonNode node,
      Predicate<String> sortsBelow,
      boolean sortKeys,
      String newLine) {
    if (node.isObject()) {
      appendObject(out, node, sortsBelow, sortKeys, newLine);
    } else if (node.isArray()) {
      appendArray(out, node, sortsBelow, sortKeys, newLine);
    } else if (node.isTextual()) {
      appendString(out, node.textValue());
    } else if (node.isBigDecimal() || node.isDouble() || node.isFloat()) {
      out.append(number(node.doubleValue()));
    } else {
      out.append(node.asText());
    }
  }

  private static void appendObject(
      StringBuilder out,
      JsonNode object,
      Predicate<String> sortsBelow,
      boolean sortKeys,
      String newLine) {
    List<Map.Entry<String, JsonNode>> fields = new ArrayList<>(object.properties());
    if (fields.isEmpty()) {
      out.append("{}");
      return;
    }
    if (sortKeys) {
      fields.sort((a, b) -> compareCodePoints(a.getKey(), b.getKey()));
    }
    String inner = newLine + "  ";
    String separator = "{";
    for (Map.Entry<String, JsonNode> field : fields) {
      out.append(separator).append(inner);
      appendString(out, field.getKey());
      out.append(": ");
      append(out, field.getValue(), sortsBelow, sortsBelow.test(field.getKey()), inner);
      separator = ",";
    }
    out.append(newLine).append('}');
  }

  private static void appendArray(
      StringBuilder out,
      JsonNode array,
      Predicate<String> sortsBelow,
      boolean sortKeys,
      String newLine) {
    if (array.isEmpty()) {
      out.append("[]");
      return;
    }
    String inner = newLine + "  ";
    String separator = "[";
    for (Iterator<JsonNode> items = array.elements(); items.hasNext(); separator = ",") {
      out.append(separator).append(inner);
      append(out, items.next(), sortsBelow, sortKeys, inner);
    }
    out.append(newLine).append(']');
  }

  private static void appendString(StringBuilder out, String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\f' -> out.append("\\f");
        case '\b' -> out.append("\\b");
        default -> {
          if (c < ' ' || c > '~') {
            out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  /** A float as Python's {@code repr}: the fewest digits that read back as the same number. */
  public static String number(double value) {
    if (Double.isNaN(value)) {
      return "NaN";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "Infinity" : "-Infinity";
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    BigDecimal shortest = shortest(value);
    int exponent = shortest.precision() - shortest.scale() - 1; // of the first digit
    if (exponent >= -4 && exponent < 16) {
      String plain = shortest.stripTrailingZeros().toPlainString();
      return plain.contains(".") ? plain : plain + ".0";
    }
    String digits = shortest.unscaledValue().abs().toString().replaceAll("0+$", "");
    String mantissa = digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
    return (value < 0 ? "-" : "")
        + mantissa
        + String.format(Locale.ROOT, "e%c%02d", exponent < 0 ? '-' : '+', Math.abs(exponent));
  }

  private static BigDecimal shortest(double value) {
    BigDecimal exact = new BigDecimal(value);
    for (int digits = 1; digits < 17; digits++) {
      BigDecimal rounded = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
      if (rounded.doubleValue() == value) {
        return rounded;
      }
    }
    return exact.round(new MathContext(17, RoundingMode.HALF_EVEN));
  }

  private static int compareCodePoints(String a, String b) {
    int[] left = a.codePoints().toArray();
    int[] right = b.codePoints().toArray();
    return java.util.Arrays.compare(left, right);
  }

  /** The mapper that reads as Python does, for callers that build JSON trees. */
  static JsonMapper mapper() {
    return MAPPER;
  }

  static List<String> keys(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return Collections.unmodifiableList(names);
  }
}
