package org.peftjava.peft.io;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterMethod;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads and writes adapter_config.json.
 *
 * <p>Written as PEFT {@code config.py::PeftConfigMixin.save_pretrained} does, with lists that are
 * sets there in sorted order, and the keys of patterns in their order: the first one that fits a
 * layer decides. Keys that this version does not know are kept and written back.
 */
public final class AdapterConfigJson {
  /** The file's name in an adapter folder. */
  public static final String FILE_NAME = "adapter_config.json";

  private static final Logger LOG = LoggerFactory.getLogger(AdapterConfigJson.class);
  private static final long MAX_BYTES = 16L << 20;
  private static final String RUNTIME = "runtime_config";
  private static final String PATTERN = "_pattern";
  private static final List<String> SETS = List.of("target_modules", "exclude_modules");
  private static final Set<List<String>> REPORTED = ConcurrentHashMap.newKeySet();

  private AdapterConfigJson() {}

  /** Reads the config of an adapter folder, whatever its type. */
  public static TunerConfig read(Path folder) {
    FileBatch.finishInterrupted(folder);
    Path file = folder.resolve(FILE_NAME);
    if (!Files.isRegularFile(file)) {
      throw new IllegalArgumentException(
          "There is no "
              + FILE_NAME
              + " in "
              + folder.toAbsolutePath()
              + ". Expected a folder that an adapter was saved to.");
    }
    JsonNode node = PythonJson.read(file, MAX_BYTES);
    if (!(plain(node) instanceof Map<?, ?> object)) {
      throw new InvalidFileException(file, "does not hold a JSON object; expected {\"key\": ...}.");
    }
    return parse(object, file);
  }

  /**
   * The config that these fields make; Java's numbers and lists stand for JSON's.
   *
   * @throws IllegalArgumentException if they make none
   */
  public static TunerConfig of(Map<String, ?> fields) {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    fields.forEach((name, value) -> values.put(name, plain(node(javaValue(value)))));
    try {
      return parse(values, Path.of(FILE_NAME));
    } catch (InvalidFileException e) {
      throw new IllegalArgumentException("These fields make no config. " + e.getMessage(), e);
    }
  }

  /** Values as they come out of JSON. */
  private static @Nullable Object javaValue(@Nullable Object value) {
    if (value instanceof Integer || value instanceof Short) {
      return ((Number) value).longValue();
    } else if (value instanceof Float number) {
      return number.doubleValue();
    } else if (value instanceof Enum<?> name) {
      return name.toString();
    } else if (value instanceof Collection<?> values) {
      return values.stream().map(AdapterConfigJson::javaValue).toList();
    } else if (value instanceof Map<?, ?> map) {
      Map<String, @Nullable Object> result = new LinkedHashMap<>();
      map.forEach((key, item) -> result.put(String.valueOf(key), javaValue(item)));
      return result;
    }
    return value;
  }

  private static TunerConfig parse(Map<?, ?> object, Path file) {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    object.forEach((key, value) -> values.put(String.valueOf(key), value));
    if (!(values.get("peft_type") instanceof String type)) {
      throw new InvalidFileException(
          file, "lacks \"peft_type\", such as \"LORA\". Is it the config of an adapter?");
    }
    if (values.containsKey(RUNTIME)) {
      LOG.warn("{}: {} is ignored; it holds options of one process only.", file, RUNTIME);
      values.remove(RUNTIME);
    }
    if (values.get("peft_version") == null) {
      values.remove("peft_version");
    }
    try {
      AdapterMethod<?> method = TunerMethods.get(type);
      TunerConfig config = method.parse(values);
      List<String> unknown = config.fields().unknownNames();
      if (!unknown.isEmpty() && REPORTED.add(unknown)) {
        LOG.warn(
            "{}: keys {} are not known to this version. They have no effect and are kept when"
                + " saving.",
            file,
            unknown);
      }
      return config;
    } catch (IllegalArgumentException e) {
      throw new InvalidFileException(file, "" + e.getMessage(), e);
    }
  }

  /** The bytes of the file for a config as it stands. */
  public static byte[] bytes(TunerConfig config) {
    ObjectNode object = JsonNodeFactory.instance.objectNode();
    config
        .fields()
        .values()
        .forEach(
            (name, value) -> {
              if (!name.equals(RUNTIME)) {
                object.set(name, node(SETS.contains(name) ? sorted(value) : value));
              }
            });
    return PythonJson.write(object, key -> !key.endsWith(PATTERN)).getBytes(StandardCharsets.UTF_8);
  }

  private static @Nullable Object sorted(@Nullable Object value) {
    return value instanceof List<?> list
        ? list.stream().map(String::valueOf).sorted().toList()
        : value;
  }

  private static JsonNode node(@Nullable Object value) {
    JsonNodeFactory factory = JsonNodeFactory.instance;
    if (value == null) {
      return factory.nullNode();
    } else if (value instanceof String text) {
      return factory.textNode(text);
    } else if (value instanceof Boolean flag) {
      return factory.booleanNode(flag);
    } else if (value instanceof Long number) {
      return factory.numberNode(number);
    } else if (value instanceof Double number) {
      return factory.numberNode(number);
    } else if (value instanceof List<?> list) {
      ArrayNode array = factory.arrayNode();
      list.forEach(item -> array.add(node(item)));
      return array;
    } else if (value instanceof Map<?, ?> map) {
      ObjectNode object = factory.objectNode();
      map.forEach((key, item) -> object.set(String.valueOf(key), node(item)));
      return object;
    }
    throw new IllegalArgumentException(
        "A config value cannot be a " + value.getClass().getName() + ": " + value + ".");
  }

  private static @Nullable Object plain(JsonNode node) {
    if (node.isObject()) {
      Map<String, @Nullable Object> map = new LinkedHashMap<>();
      node.properties().forEach(entry -> map.put(entry.getKey(), plain(entry.getValue())));
      return map;
    } else if (node.isArray()) {
      List<@Nullable Object> list = new ArrayList<>();
      node.forEach(item -> list.add(plain(item)));
      return list;
    } else if (node.isTextual()) {
      return node.textValue();
    } else if (node.isBoolean()) {
      return node.booleanValue();
    } else if (node.isIntegralNumber() && node.canConvertToLong()) {
      return node.longValue();
    } else if (node.isNumber()) {
      return node.doubleValue();
    }
    return null;
  }
}
