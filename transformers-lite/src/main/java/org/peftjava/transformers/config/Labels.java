package org.peftjava.transformers.config;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The labels of a classifier, as any model's {@code config.json} holds them.
 *
 * @param id2label the labels' names, in the order of their numbers
 * @param label2id the labels' numbers
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
  private static final int DEFAULT_COUNT = 2;
  private static final int MAX_COUNT = 1 << 20;

  /** Reads {@code id2label}, {@code label2id}, {@code num_labels} and {@code problem_type}. */
  public static Labels of(ConfigJson json) {
    Optional<ConfigJson> named = json.findObject("id2label");
    Map<Integer, String> names = named.map(Labels::names).orElseGet(Map::of);
    if (names.isEmpty()) {
      names = numbered(json.getInt("num_labels", DEFAULT_COUNT), json);
    }
    boolean renamed = json.has("num_labels") && json.getInt("num_labels") != names.size();
    if (renamed) { // transformers believes the number
      names = numbered(json.getInt("num_labels"), json);
    }
    Map<String, Integer> numbers = renamed ? new LinkedHashMap<>() : numbers(json);
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
        : plain.with("id2label", labels.id2label).with("label2id", labels.label2id);
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
        .ifPresent(object -> object.keys().forEach(key -> numbers.put(key, number(object, key))));
    return numbers;
  }

  /** A whole number, or a text that is one. */
  private static int number(ConfigJson object, String key) {
    boolean text = object.node(key).filter(JsonNode::isTextual).isPresent();
    try {
      return text ? Integer.parseInt(object.getString(key)) : object.getInt(key);
    } catch (NumberFormatException e) {
      throw object.invalid(key, "expected a whole number.");
    }
  }

  private static Map<Integer, String> names(ConfigJson object) {
    Map<Integer, String> names = new TreeMap<>();
    for (String key : object.keys()) {
      int id;
      try {
        id = Integer.parseInt(key);
      } catch (NumberFormatException e) {
        throw new InvalidFileException(
            object.source(),
            "\"id2label\" has the key \"" + key + "\"; expected the numbers from 0 on.");
      }
      names.put(id, object.getString(key));
    }
    for (int id = 0; id < names.size(); id++) {
      if (!names.containsKey(id)) {
        throw new InvalidFileException(
            object.source(),
            "\"id2label\" has no label " + id + "; expected the numbers from 0 on, without gaps.");
      }
    }
    return names;
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
