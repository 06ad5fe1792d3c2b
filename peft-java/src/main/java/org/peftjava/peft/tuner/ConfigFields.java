package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The values of a config under their names in adapter_config.json, immutable.
 *
 * <p>A value is null, a Boolean, a Long, a Double, a String, a List or a Map of such. Typed access
 * names the field, the value and the expected type when they do not fit. Keys that the config does
 * not know are kept, so that a file of a newer version survives reading and writing.
 */
public final class ConfigFields {
  private final String owner;
  private final Set<String> known;
  private final Map<String, @Nullable Object> values;

  private ConfigFields(String owner, Set<String> known, Map<String, @Nullable Object> values) {
    this.owner = owner;
    this.known = known;
    this.values = Collections.unmodifiableMap(values);
  }

  /**
   * The given values over the defaults.
   *
   * @param owner name of the config's class, for messages
   * @param defaults every known field; values for those that {@code given} leaves out
   */
  public static ConfigFields of(
      String owner,
      Map<String, ? extends @Nullable Object> defaults,
      Map<String, ? extends @Nullable Object> given) {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    defaults.forEach((name, value) -> values.put(name, plain(value)));
    given.forEach((name, value) -> values.put(name, plain(value)));
    return new ConfigFields(
        owner, Collections.unmodifiableSet(new LinkedHashSet<>(defaults.keySet())), values);
  }

  /** The same values except one. */
  public ConfigFields with(String name, @Nullable Object value) {
    Map<String, @Nullable Object> changed = new LinkedHashMap<>(values);
    changed.put(name, plain(value));
    return new ConfigFields(owner, known, changed);
  }

  /** All values by name, known fields first. */
  public Map<String, @Nullable Object> values() {
    return values;
  }

  /** Names that this version does not know. */
  public List<String> unknownNames() {
    return values.keySet().stream().filter(name -> !known.contains(name)).toList();
  }

  /** The value as it is. */
  public @Nullable Object get(String name) {
    return values.get(name);
  }

  /** Whether the value is neither null nor false nor empty: what Python calls true. */
  public boolean isSet(String name) {
    Object value = values.get(name);
    return !(value == null
        || Boolean.FALSE.equals(value)
        || (value instanceof List<?> list && list.isEmpty())
        || (value instanceof Map<?, ?> map && map.isEmpty()));
  }

  /** A text or null. */
  public Optional<String> text(String name) {
    Object value = values.get(name);
    if (value == null || value instanceof String) {
      return Optional.ofNullable((String) value);
    }
    throw wrongType(name, "a text or null");
  }

  /** True or false; null is false, as in Python. */
  public boolean flag(String name) {
    Object value = values.get(name);
    if (value == null || value instanceof Boolean) {
      return Boolean.TRUE.equals(value);
    }
    throw wrongType(name, "true or false");
  }

  /** A whole number. */
  public int integer(String name) {
    if (values.get(name) instanceof Long number && number == number.intValue()) {
      return number.intValue();
    }
    throw wrongType(name, "a whole number");
  }

  /** A number. */
  public double number(String name) {
    if (values.get(name) instanceof Number number) {
      return number.doubleValue();
    }
    throw wrongType(name, "a number");
  }

  /** A list of texts, or empty if null. */
  public Optional<List<String>> texts(String name) {
    Object value = values.get(name);
    if (value == null) {
      return Optional.empty();
    }
    if (value instanceof List<?> list && list.stream().allMatch(String.class::isInstance)) {
      return Optional.of(list.stream().map(String.class::cast).toList());
    }
    throw wrongType(name, "a list of texts or null");
  }

  /** An object, or empty if null. */
  public Optional<Map<String, @Nullable Object>> object(String name) {
    Object value = values.get(name);
    if (value == null) {
      return Optional.empty();
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, @Nullable Object> result = new LinkedHashMap<>();
      map.forEach((key, entry) -> result.put(String.valueOf(key), entry));
      return Optional.of(Collections.unmodifiableMap(result));
    }
    throw wrongType(name, "an object or null");
  }

  /** Numbers by name, in order; null counts as none. */
  public Map<String, Number> numbers(String name) {
    Map<String, Number> result = new LinkedHashMap<>();
    object(name)
        .ifPresent(
            map ->
                map.forEach(
                    (key, value) -> {
                      if (!(value instanceof Number number)) {
                        throw wrongType(name, "an object with a number for each key");
                      }
                      result.put(key, number);
                    }));
    return Collections.unmodifiableMap(result);
  }

  /** Fails unless each number of a field is a positive whole one that fits an int. */
  public void checkCounts(String name) {
    numbers(name)
        .forEach(
            (key, value) -> {
              if (!(value instanceof Long count) || count < 1 || count > Integer.MAX_VALUE) {
                throw invalid(
                    name, "must hold positive whole numbers, but \"" + key + "\" has " + value);
              }
            });
  }

  /** An error about one field: what is wrong, with the value, and what was expected. */
  public IllegalArgumentException invalid(String name, String expectation) {
    return new IllegalArgumentException(
        owner
            + ": "
            + camelCase(name)
            + " "
            + expectation
            + ", got "
            + show(values.get(name))
            + ".");
  }

  private IllegalArgumentException wrongType(String name, String expected) {
    return invalid(name, "must be " + expected);
  }

  /** The name of the Java method for a Python field: "lora_alpha" becomes "loraAlpha". */
  public static String camelCase(String name) {
    String[] words = name.split("_");
    StringBuilder result = new StringBuilder(words[0]);
    for (String word : List.of(words).subList(1, words.length)) {
      result.append(word.substring(0, 1).toUpperCase(Locale.ROOT)).append(word.substring(1));
    }
    return result.toString();
  }

  private static String show(@Nullable Object value) {
    return value instanceof String ? "\"" + value + "\"" : String.valueOf(value);
  }

  private static @Nullable Object plain(@Nullable Object value) {
    if (value instanceof Integer || value instanceof Short || value instanceof Byte) {
      return ((Number) value).longValue();
    }
    if (value instanceof Float number) {
      return Double.valueOf(Float.toString(number));
    }
    if (value instanceof Iterable<?> items) {
      List<@Nullable Object> copy = new ArrayList<>();
      items.forEach(item -> copy.add(plain(item)));
      return Collections.unmodifiableList(copy);
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, @Nullable Object> copy = new LinkedHashMap<>();
      map.forEach((key, item) -> copy.put(String.valueOf(key), plain(item)));
      return Collections.unmodifiableMap(copy);
    }
    return value;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ConfigFields fields
        && owner.equals(fields.owner)
        && values.equals(fields.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  @Override
  public String toString() {
    return owner + values;
  }
}
