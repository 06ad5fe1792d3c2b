package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.regex.Matcher;
import java.util.regex.PatternSyntaxException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Expressions that end, whatever they are. */
@Timeout(60)
class PathPatternTest {
  private static final String PATH = "base_model.model.model.decoder.layers.17.self_attn.q_proj";

  @Test
  void findsWhatJavaFinds() {
    PathPattern pattern = PathPattern.compile(".*\\.layers\\.(\\d{1,2})\\.", 0);
    assertFalse(pattern.matches(PATH));
    assertTrue(pattern.startsIn(PATH));
    assertTrue(pattern.isFoundIn(PATH));
    assertEquals(1, pattern.groupCount());
    Matcher matcher = pattern.matcher(PATH);
    assertTrue(matcher.find());
    assertEquals("17", matcher.group(1));
    assertTrue(PathPattern.compile(".*(q|v)_proj", 0).matches(PATH));
    assertFalse(PathPattern.compile("q_proj", 0).startsIn(PATH));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "((\\w|\\.)+)+\\2!",
        "(?:(.+)+)+\\1x",
        "(?:[a-z_.\\d]+?)+?[^\\s\\S]",
        "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)!",
        ".*.*.*.*.*.*.*.*.*.*!",
      })
  void endlessSearchesAreErrors(String regex) {
    PathPattern pattern = PathPattern.compile(regex, 0);
    String message = message(() -> pattern.matches(PATH));
    assertTrue(
        message.startsWith("The regular expression \"" + regex + "\" takes more than 200000 steps"),
        message);
    assertThrows(IllegalArgumentException.class, () -> pattern.startsIn(PATH + "?"));
    assertThrows(IllegalArgumentException.class, () -> pattern.matcher(PATH).matches());
  }

  private static String message(Runnable search) {
    return assertThrows(IllegalArgumentException.class, search::run).getMessage();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(((x?){50000}){50000}){50000}",
        "x{1000001}",
        "(x?){2000,}(y?){2000}",
        "(x?){99999999999999999999}"
      })
  void countlessRepetitionsAreErrors(String regex) {
    assertThrows(PatternSyntaxException.class, () -> PathPattern.compile(regex, 0));
  }

  @Test
  void deepNestsAreErrors() {
    String nested = "(".repeat(100_000) + "x" + ")*".repeat(100_000);
    assertThrows(
        IllegalArgumentException.class, () -> PathPattern.compile(nested, 0).matches(PATH));
    String less = "(?:".repeat(3000) + "." + ")*".repeat(3000);
    assertThrows(
        IllegalArgumentException.class, () -> PathPattern.compile(less + "!", 0).matches(PATH));
  }
}
