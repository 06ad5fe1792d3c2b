package org.peftjava.peft.tuner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.peftjava.peft.Goldens;

/** The rules below target matching: pattern keys, suffixes, expressions, messages. */
class MatchingRulesTest {
  private static final JsonNode GOLDEN = Goldens.json(Goldens.path("matching.json"));

  private static TargetMatcher.Match match(TargetModules targets, List<String> saved) {
    return TargetMatcher.match(
        StubModels.named("opt"),
        new TargetSpec(targets, Optional.empty(), List.of(), List.of(), saved, false),
        type -> Optional.of(List.of("q_proj", "v_proj")).filter(names -> type.equals("opt")));
  }

  /** A name of a head is there for other models; a name that nobody knows is a slip. */
  @Test
  void aNameInModulesToSaveThatIsNoModuleIsSaid() {
    TargetModules targets = TargetModules.names("q_proj");
    TargetMatcher.Match match = match(targets, List.of("lm_hed", "classifier", "embed_tokens"));
    assertEquals(
        List.of(
            "modulesToSave [lm_hed] name no module of "
                + StubModels.named("opt").className()
                + " and are ignored. Check the names."),
        match.warnings());
    assertEquals(List.of(), match(targets, List.of("score", "embed_tokens")).warnings());
  }

  @Test
  void patternKeysArePythons() {
    int rows = 0;
    for (JsonNode row : GOLDEN.get("patternKeys")) {
      String name = row.get("name").textValue();
      Optional<String> key = PatternValues.keyFor(Goldens.texts(row.get("keys")), name, "test");
      assertEquals(row.get("key").textValue(), key.orElse(name), row.toString());
      rows++;
    }
    assertTrue(rows >= 11);
  }

  @Test
  void keysBehindADotArePythons() {
    int rows = 0;
    for (JsonNode row : GOLDEN.get("keysBehindDot")) {
      String name = row.get("name").textValue();
      List<String> keys = Goldens.texts(row.get("keys"));
      Optional<String> key = PatternValues.keyBehindDot(keys, name, "test");
      assertEquals(row.get("key").textValue(), key.orElse(name), row.toString());
      rows++;
    }
    assertTrue(rows >= 13);
  }

  @Test
  void minimalTargetsArePythons() {
    for (JsonNode row : GOLDEN.get("minimal")) {
      List<String> targets = Goldens.texts(row.get("targets"));
      List<String> others = Goldens.texts(row.get("others"));
      if (row.has("error")) {
        assertThrows(
            IllegalArgumentException.class, () -> MinimalTargets.find(targets, others), "" + row);
      } else {
        assertEquals(
            Goldens.texts(row.get("result")).stream().sorted().toList(),
            MinimalTargets.find(targets, others),
            row.toString());
      }
    }
  }

  @Test
  void expressionsHavePythonsSyntax() {
    Function<String, PythonRegex> compile = pattern -> PythonRegex.compile(pattern, "test");
    assertTrue(compile.apply("(?P<the_name>a+)b(?P=the_name)\\Z").fullMatch("aabaa"));
    assertFalse(compile.apply("(?P<the_name>a+)b(?P=the_name)").fullMatch("aaba"));
    assertTrue(compile.apply("[[a&&b]+").fullMatch("[a&b"));
    assertTrue(compile.apply("[]x]+").fullMatch("]x"));
    assertTrue(compile.apply("[^]x]").fullMatch("y"));
    assertTrue(compile.apply("a\\[b").fullMatch("a[b"));
    assertTrue(compile.apply("a|ab").fullMatch("ab"));
    assertTrue(compile.apply("\\w+").fullMatch("é"));
    for (String wrong : List.of("(q_proj", "[a", "(?P<a", "*a")) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> compile.apply(wrong)).getMessage();
      assertTrue(message.startsWith("test \"" + wrong + "\" is not a valid regular"), message);
    }
  }

  @Test
  void aMisspeltNameGetsASuggestion() {
    NoMatchingModulesException error =
        assertThrows(
            NoMatchingModulesException.class,
            () -> match(TargetModules.names("q_porj"), List.of()));
    assertEquals(
        "targetModules [q_porj] match no module of OPTForCausalLM. Closest: q_proj (2 layers)."
            + " Linear suffixes here: fc1, fc2, k_proj, lm_head, out_proj, q_proj, v_proj.",
        error.getMessage());
  }

  @Test
  void namesInModulesToSaveAreTheEndsOfPaths() {
    for (String name : List.of("lm_head", "head", "d")) {
      assertEquals(
          List.of("lm_head"), match(TargetModules.modelDefault(), List.of(name)).modulesToSave());
    }
    assertEquals(List.of(), match(TargetModules.modelDefault(), List.of("lm")).modulesToSave());
    assertEquals(4, match(TargetModules.modelDefault(), List.of("q")).paths().size());
    assertEquals(
        List.of("model.decoder.layers.0.fc1", "model.decoder.layers.1.fc1"),
        match(TargetModules.names("fc1", "q_proj"), List.of("self_attn")).paths());
  }
}
