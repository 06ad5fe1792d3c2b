package org.peftjava.peft.tuner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.base.CaseFormat;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.Goldens;

/**
 * Every config has the fields of Python's class, with its defaults: golden/config_defaults.json.
 */
class TunerFieldsTest {
  /** Fields without which Python refuses a config, whatever their defaults. */
  private static final Map<String, Map<String, Integer>> NEEDED =
      Map.of("ADALORA", Map.of("total_step", 100));

  static List<String> types() {
    return TunerMethods.peftTypes();
  }

  private static JsonNode python(String type) {
    return Goldens.json(Goldens.path("config_defaults.json")).get(type);
  }

  @ParameterizedTest
  @MethodSource("types")
  void defaultsArePythons(String type) {
    Map<String, Object> expected = new TreeMap<>(Goldens.map(python(type).get("fields")));
    expected.put("peft_type", type);
    expected.put("peft_version", TunerConfig.PEFT_VERSION);
    assertEquals(
        python(type).get("class").asText(), TunerMethods.get(type).configType().getSimpleName());
    Map<String, Object> given = new TreeMap<>(NEEDED.getOrDefault(type, Map.of()));
    given.put("peft_type", type);
    expected.putAll(given);
    ConfigFields fields = TunerMethods.get(type).parse(given).fields();
    assertEquals(expected.keySet(), new TreeSet<>(fields.values().keySet()));
    expected.forEach((name, value) -> assertSame(value, fields.get(name), name));
  }

  /** Numbers may be whole on one side. */
  private static void assertSame(Object expected, Object actual, String name) {
    if (expected instanceof Number number && actual instanceof Number found) {
      assertEquals(number.doubleValue(), found.doubleValue(), 0, name);
    } else if (expected == null) {
      assertNull(actual, name);
    } else {
      assertEquals(expected, actual, name);
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void builderMethodsAreTheFields(String type) throws ReflectiveOperationException {
    Set<String> expected = new TreeSet<>();
    python(type)
        .get("fields")
        .fieldNames()
        .forEachRemaining(
            name ->
                expected.add(
                    name.contains("_")
                        ? CaseFormat.LOWER_UNDERSCORE.to(CaseFormat.LOWER_CAMEL, name)
                        : name));
    expected.remove("peftType"); // the class says it
    Class<?> builder =
        TunerMethods.get(type).configType().getMethod("builder").invoke(null).getClass();
    Set<String> methods =
        Arrays.stream(builder.getMethods())
            .filter(method -> !Modifier.isStatic(method.getModifiers()))
            .filter(method -> TunerConfigBuilder.class.isAssignableFrom(method.getReturnType()))
            .map(Method::getName)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(expected, methods);
  }
}
