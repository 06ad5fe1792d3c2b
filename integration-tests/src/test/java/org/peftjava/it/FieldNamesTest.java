package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.base.CaseFormat;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.t5.T5ConfigBuilder;
import org.peftjava.transformers.training.TrainingArguments;

/**
 * Builder methods have the names of Python's fields, mechanically in camel case, so that a script
 * translates without a dictionary. The names come from src/test/python/field_names.py. Configs of
 * adapters: TunerFieldsTest.
 */
class FieldNamesTest {
  private static final Path NAMES = Path.of("src/test/resources/field_names.json");

  private static Set<String> python(String type) {
    JsonNode names = Golden.json(NAMES).get(type);
    Set<String> result = new TreeSet<>();
    names.forEach(
        name -> result.add(CaseFormat.LOWER_UNDERSCORE.to(CaseFormat.LOWER_CAMEL, name.asText())));
    return result;
  }

  private static Set<String> java(Class<?> builder) {
    Set<String> names =
        Arrays.stream(builder.getDeclaredMethods())
            .filter(method -> Modifier.isPublic(method.getModifiers()))
            .filter(method -> method.getReturnType() == builder)
            .map(Method::getName)
            .collect(Collectors.toCollection(TreeSet::new));
    assertTrue(names.size() > 10, names::toString);
    return names;
  }

  /**
   * One class has the settings of both of Python's. warmup_ratio is transformers 4's name; version
   * 5 takes fractions in warmup_steps.
   */
  @Test
  void trainingArgumentsInventsNoName() {
    assertInventsNothing(
        "Seq2SeqTrainingArguments", TrainingArguments.Builder.class, Set.of("warmupRatio"));
  }

  /** Python seeds its sampling globally. */
  @Test
  void generationConfigInventsNoNameButTheSeed() {
    assertInventsNothing("GenerationConfig", GenerationConfig.Builder.class, Set.of("seed"));
  }

  /**
   * Tokens of generation are any model's settings; Python's class takes them without naming them.
   */
  @Test
  void t5ConfigInventsNoName() {
    assertInventsNothing(
        "T5Config",
        T5ConfigBuilder.class,
        Set.of("nameOrPath", "bosTokenId", "decoderStartTokenId"));
  }

  private static void assertInventsNothing(String type, Class<?> builder, Set<String> own) {
    Set<String> invented = java(builder);
    invented.removeAll(python(type));
    assertEquals(own, invented);
  }
}
