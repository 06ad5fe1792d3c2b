package org.peftjava.transformers.config;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An immutable JSON object with typed getters: the contents of {@code config.json} and its kin.
 *
 * <p>Keys keep their order, and keys that nobody asks for are kept too, so that a file can be read
 * and written without loss. A key whose value is {@code null} counts as absent, as in Python
 * configurations. Getters throw {@link InvalidFileException} with the file, the key, the value and
 * the expected type.
 */
public final class ConfigJson {
  private static final long MAX_BYTES = 64L << 20;

  private final Path source;
  private final ObjectNode object;

  private ConfigJson(Path source, ObjectNode object) {
    this.source = source;
    this.object = object;
  }

  /** Reads a file that holds one JSON object. */
  public static ConfigJson read(Path file) {
    return of(PythonJson.read(file, MAX_BYTES), file);
  }

  /** Parses text that holds one JSON object; {@code source} is named in errors. */
  public static ConfigJson parse(String text, Path source) {
    return of(PythonJson.parse(text, source), source);
  }

  /** An object without keys; {@code source} is named in errors. */
  public static ConfigJson empty(Path source) {
    return new ConfigJson(source, JsonNodeFactory.instance.objectNode());
  }

  private static ConfigJson of(JsonNode node, Path source) {
    if (node instanceof ObjectNode object) {
      return new ConfigJson(source, object);
    }
    throw new InvalidFileException(
        source, "holds " + kind(node) + "; expected a JSON object {\"key\": value, ...}.");
  }

  /** The file it was read from, or the name it was given. */
  public Path source() {
    return source;
  }

  /** All keys, in their order, also those whose value is null. */
  public List<String> keys() {
    return PythonJson.keys(object);
  }

  /** Whether the key is there with a value other than null. */
  public boolean has(String key) {
    return find(key) != null;
  }

  /** A required text. */
  public String getString(String key) {
    return required(key, findString(key), "a string");
  }

  /** A text, or {@code fallback} where the key is absent. */
  public String getString(String key, String fallback) {
    return findString(key).orElse(fallback);
  }

  /** A text, if the key is there. */
  public Optional<String> findString(String key) {
    return typed(key, JsonNode::isTextual, "a string").map(JsonNode::textValue);
  }

  /** A required whole number that fits an int. */
  public int getInt(String key) {
    return (int) required(key, integer(key, true), "a whole number").longValue();
  }

  /** A whole number that fits an int, or {@code fallback} where the key is absent. */
  public int getInt(String key, int fallback) {
    return integer(key, true).map(JsonNode::intValue).orElse(fallback);
  }

  /** A required whole number. */
  public long getLong(String key) {
    return required(key, integer(key, false), "a whole number").longValue();
  }

  /** A whole number, if the key is there. */
  public OptionalLong findLong(String key) {
    Optional<JsonNode> node = integer(key, false);
    return node.isPresent() ? OptionalLong.of(node.get().longValue()) : OptionalLong.empty();
  }

  /** A required number. */
  public double getDouble(String key) {
    return required(key, number(key), "a number").doubleValue();
  }

  /** A number, or {@code fallback} where the key is absent. */
  public double getDouble(String key, double fallback) {
    return number(key).map(JsonNode::doubleValue).orElse(fallback);
  }

  /** A number, if the key is there. */
  public OptionalDouble findDouble(String key) {
    Optional<JsonNode> node = number(key);
    return node.isPresent() ? OptionalDouble.of(node.get().doubleValue()) : OptionalDouble.empty();
  }

  /** A required truth value. */
  public boolean getBoolean(String key) {
    return required(key, bool(key), "true or false");
  }

  /** A truth value, or {@code fallback} where the key is absent. */
  public boolean getBoolean(String key, boolean fallback) {
    return bool(key).orElse(fallback);
  }

  /** A nested object, if the key is there. */
  public Optional<ConfigJson> findObject(String key) {
    return typed(key, JsonNode::isObject, "an object")
        .map(node -> new ConfigJson(source, (ObjectNode) node));
  }

  /** The texts of a list; a single text counts as a list of one; none where the key is absent. */
  public List<String> getStrings(String key) {
    return list(key, JsonNode::isTextual, JsonNode::textValue, "a string or a list of strings");
  }

  /** The numbers of a list; a single one counts as a list of one; none where the key is absent. */
  public List<Long> getLongs(String key) {
    return list(
        key,
        node -> node.isIntegralNumber() && node.canConvertToLong(),
        JsonNode::longValue,
        "a whole number or a list of them");
  }

  /** The numbers of a list; a single one counts as a list of one; none where the key is absent. */
  public List<Double> getDoubles(String key) {
    return list(key, JsonNode::isNumber, JsonNode::doubleValue, "a number or a list of them");
  }

  /** The value as Jackson holds it; a copy, so that this object stays as it is. */
  public Optional<JsonNode> node(String key) {
    return Optional.ofNullable(find(key)).map(JsonNode::deepCopy);
  }

  /** The whole object as Jackson holds it; a copy. */
  public ObjectNode toNode() {
    return object.deepCopy();
  }

  /** A copy in which the key has this value: text, number, boolean, list, map or JSON node. */
  public ConfigJson with(String key, @Nullable Object value) {
    ObjectNode copy = object.deepCopy();
    copy.set(key, PythonJson.mapper().valueToTree(value));
    return new ConfigJson(source, copy);
  }

  /** A copy without the key. */
  public ConfigJson without(String key) {
    ObjectNode copy = object.deepCopy();
    copy.remove(key);
    return new ConfigJson(source, copy);
  }

  /** An error about a key: what is wrong with its value. */
  public InvalidFileException invalid(String key, String problem) {
    return new InvalidFileException(
        source, "\"" + key + "\" is " + shown(object.get(key)) + "; " + problem);
  }

  /**
   * The text of the file that transformers writes: indented by 2, keys sorted, a newline at the
   * end.
   */
  public String toJson() {
    return PythonJson.write(object, true) + "\n";
  }

  /** {@link #toJson()} in UTF-8. */
  public byte[] toBytes() {
    return toJson().getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ConfigJson config && object.equals(config.object);
  }

  @Override
  public int hashCode() {
    return object.hashCode();
  }

  @Override
  public String toString() {
    return toJson();
  }

  private @Nullable JsonNode find(String key) {
    JsonNode node = object.get(key);
    return node == null || node.isNull() ? null : node;
  }

  private Optional<JsonNode> typed(String key, Predicate<JsonNode> test, String expected) {
    JsonNode node = find(key);
    if (node != null && !test.test(node)) {
      throw invalid(key, "expected " + expected + ".");
    }
    return Optional.ofNullable(node);
  }

  private Optional<JsonNode> integer(String key, boolean fitsInt) {
    Optional<JsonNode> node = typed(key, JsonNode::isIntegralNumber, "a whole number");
    node.filter(found -> fitsInt ? !found.canConvertToInt() : !found.canConvertToLong())
        .ifPresent(
            found -> {
              throw invalid(key, "expected a whole number of " + (fitsInt ? 32 : 64) + " bits.");
            });
    return node;
  }

  private Optional<JsonNode> number(String key) {
    return typed(key, JsonNode::isNumber, "a number");
  }

  private Optional<Boolean> bool(String key) {
    return typed(key, JsonNode::isBoolean, "true or false").map(JsonNode::booleanValue);
  }

  private <T> List<T> list(
      String key, Predicate<JsonNode> test, Function<JsonNode, T> value, String expected) {
    JsonNode node = find(key);
    if (node == null) {
      return List.of();
    }
    List<T> values = new ArrayList<>();
    for (JsonNode item : node.isArray() ? node : List.of(node)) {
      if (!test.test(item)) {
        throw invalid(key, "expected " + expected + ".");
      }
      values.add(value.apply(item));
    }
    return List.copyOf(values);
  }

  private <T> T required(String key, Optional<T> value, String expected) {
    return value.orElseThrow(
        () ->
            new InvalidFileException(
                source, "\"" + key + "\" is missing; expected " + expected + "."));
  }

  private static String shown(@Nullable JsonNode node) {
    if (node == null) {
      return "missing";
    }
    String text = node.toString();
    return text.length() <= 80 ? text : text.substring(0, 80) + "...";
  }

  private static String kind(JsonNode node) {
    return node.isArray() ? "a JSON list" : "the JSON value " + shown(node);
  }
}
