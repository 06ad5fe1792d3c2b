package org.peftjava.transformers.config;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * The labels of a classifier, as any model's {@code config.json} holds them.
 *
 * @param id2label the labels' names, in the order of their numbers, which may leave some out: a
 *     head has as many outputs as there are names
 * @param label2id the labels' numbers; texts in the file that are no numbers are left out
 * @param problemType "regression", "single_label_classification" or "multi_label_classification";
 *     empty to be told from the first labels
 */
public record Labels(
    Map<Integer, String> id2label, Map<String, Integer> label2id, Optional<String> problemType) {
  /** One number for each text, or several. */
  public static final String REGRESSION = "regression";

  /** One of several labels. */
  public static final String SINGLE_LABEL = "single_label_classification";

  /** Any number of several labels. */
  public static final String MULTI_LABEL = "multi_label_classification";

  private static final Set<String> PROBLEM_TYPES = Set.of(REGRESSION, SINGLE_LABEL, MULTI_LABEL);
  private static final Pattern BETWEEN_DIGITS = Pattern.compile("(?<=\\d)_(?=\\d)");
  private static final int DEFAULT_COUNT = 2;
  private static final int MAX_COUNT = 1 << 20;

  /** Reads {@code id2label}, {@code label2id}, {@code num_labels} and {@code problem_type}. */
  public static Labels of(ConfigJson json) {
    boolean kept = namesCount(json);
    Map<Integer, String> names =
        kept ? named(json).orElseThrow() : numbered(json.getInt("num_labels", DEFAULT_COUNT), json);
    Map<String, Integer> numbers = kept ? numbers(json) : new LinkedHashMap<>();
    if (numbers.isEmpty()) {
      names.forEach((id, name) -> numbers.put(name, id));
    }
    Optional<String> problem = json.findString("problem_type");
    problem
        .filter(type -> !PROBLEM_TYPES.contains(type))
        .ifPresent(
            type -> {
              throw json.invalid(
                  "problem_type", "expected one of " + new TreeSet<>(PROBLEM_TYPES) + ".");
            });
    if (problem.filter(SINGLE_LABEL::equals).isPresent() && names.size() == 1) {
      throw json.invalid(
          "problem_type",
          "but there is one label only: use \"regression\", or two labels for a yes or no.");
    }
    return new Labels(names, numbers, problem);
  }

  /** Whether the names count: transformers believes a {@code num_labels} that says otherwise. */
  private static boolean namesCount(ConfigJson json) {
    int count = named(json).map(Map::size).orElse(0);
    return count > 0 && json.getInt("num_labels", count) == count;
  }

  private static Optional<Map<Integer, String>> named(ConfigJson json) {
    return json.findObject("id2label").map(Labels::names);
  }

  /** Number of labels n. */
  public int count() {
    return id2label.size();
  }

  /**
   * The same config with as many labels, named LABEL_0 and so on, unless it has that many already.
   */
  public static ConfigJson withCount(ConfigJson json, int count) {
    return of(json).count() == count && !json.has("num_labels")
        ? json
        : write(json, numbered(count, json));
  }

  /** The same config with labels of these names. */
  public static ConfigJson withNames(ConfigJson json, Map<Integer, String> names) {
    ConfigJson written = write(json, names);
    of(written); // says what is wrong with the names
    return written;
  }

  /** The same config as transformers writes it: the default labels are left out. */
  public static ConfigJson normalized(ConfigJson json) {
    if (!json.has("num_labels") && !json.has("id2label") && !json.has("label2id")) {
      return json;
    }
    Labels labels = of(json);
    ConfigJson plain = json.without("num_labels").without("id2label").without("label2id");
    Labels usual = of(plain);
    return labels.id2label.equals(usual.id2label) && labels.label2id.equals(usual.label2id)
        ? plain
        : plain.with("id2label", labels.id2label).with("label2id", written(json, labels));
  }

  /** The numbers as the file has them, which may be texts. */
  private static Object written(ConfigJson json, Labels labels) {
    Optional<ConfigJson> given = json.findObject("label2id").filter(object -> namesCount(json));
    return given.isPresent() ? given.get().toNode() : labels.label2id;
  }

  private static ConfigJson write(ConfigJson json, Map<Integer, String> names) {
    Map<String, Integer> numbers = new LinkedHashMap<>();
    new TreeMap<>(names).forEach((id, name) -> numbers.put(name, id));
    return json.without("num_labels")
        .with("id2label", new TreeMap<>(names))
        .with("label2id", numbers);
  }

  private static Map<String, Integer> numbers(ConfigJson json) {
    Map<String, Integer> numbers = new LinkedHashMap<>();
    json.findObject("label2id")
        .ifPresent(
            object -> {
              for (String key : object.keys()) {
                number(object, key).ifPresent(number -> numbers.put(key, number));
              }
            });
    return numbers;
  }

  /** A whole number, or a text that may be one. */
  private static OptionalInt number(ConfigJson object, String key) {
    boolean text = object.node(key).filter(JsonNode::isTextual).isPresent();
    return text ? parse(object.getString(key)) : OptionalInt.of(object.getInt(key));
  }

  private static Map<Integer, String> names(ConfigJson object) {
    Map<Integer, String> names = new TreeMap<>();
    for (String key : object.keys()) {
      int id =
          parse(key)
              .orElseThrow(
                  () ->
                      new InvalidFileException(
                          object.source(),
                          "\"id2label\" has the key \"" + key + "\"; expected whole numbers."));
      names.put(id, object.getString(key));
    }
    return names;
  }

  /** A number as Python's {@code int} reads it. */
  private static OptionalInt parse(String text) {
    try {
      return OptionalInt.of(Integer.parseInt(BETWEEN_DIGITS.matcher(text.strip()).replaceAll("")));
    } catch (NumberFormatException e) {
      return OptionalInt.empty();
    }
  }

  private static Map<Integer, String> numbered(int count, ConfigJson json) {
    if (count < 1 || count > MAX_COUNT) {
      throw new InvalidFileException(
          json.source(),
          "\"num_labels\" is " + count + "; expected a number from 1 to " + MAX_COUNT + ".");
    }
    Map<Integer, String> names = new TreeMap<>();
    for (int id = 0; id < count; id++) {
      names.put(id, "LABEL_" + id);
    }
    return names;
  }
}
