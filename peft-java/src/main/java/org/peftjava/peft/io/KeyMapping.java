package org.peftjava.peft.io;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PythonRegex;

/**
 * Turns keys of an adapter's file into those of the model: regular expressions and replacements as
 * Python's {@code re.subn} takes them. The first expression that is found in a key changes it.
 *
 * <p>The prefix {@code base_model.model.} is not part of what they see. Reference: PEFT {@code
 * save_and_load.py::load_peft_weights}.
 */
public final class KeyMapping implements UnaryOperator<String> {
  private static final Pattern REFERENCE = Pattern.compile("\\\\(?:g<(\\w+)>|(\\d\\d?)|(\\D))");

  private final Map<PythonRegex, String> rules = new LinkedHashMap<>();

  /** The mapping; expressions are tried in the map's order. */
  public KeyMapping(Map<String, String> keyMapping) {
    keyMapping.forEach(
        (pattern, replacement) -> {
          PythonRegex regex = PythonRegex.compile(pattern, "keyMapping");
          check(regex, pattern, replacement);
          rules.put(regex, replacement);
        });
  }

  private static void check(PythonRegex regex, String pattern, String replacement) {
    Matcher reference = REFERENCE.matcher(replacement);
    while (reference.find()) {
      String group = group(reference);
      if (group != null && !regex.hasGroup(group)) {
        throw new IllegalArgumentException(
            "keyMapping: the replacement \""
                + replacement
                + "\" speaks of group "
                + group
                + ", which \""
                + pattern
                + "\" does not have.");
      }
    }
  }

  @Override
  public String apply(String key) {
    String prefix =
        Optional.of(AdapterKeys.PREFIX)
            .filter(key::startsWith)
            .or(() -> Optional.of(AdapterKeys.ROOT).filter(key::startsWith))
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "keyMapping is for keys that begin with \""
                            + AdapterKeys.ROOT
                            + "\"; the file has \""
                            + key
                            + "\"."));
    String path = key.substring(prefix.length());
    for (Map.Entry<PythonRegex, String> rule : rules.entrySet()) {
      Matcher found = rule.getKey().matcher(path);
      if (found.find()) {
        return prefix + replaced(rule.getKey(), found, path, rule.getValue());
      }
    }
    return key;
  }

  private static String replaced(PythonRegex regex, Matcher found, String path, String template) {
    StringBuilder result = new StringBuilder();
    int copied = 0;
    do {
      result.append(path, copied, found.start());
      Matcher reference = REFERENCE.matcher(template);
      int at = 0;
      while (reference.find()) {
        result.append(template, at, reference.start());
        String group = group(reference);
        result.append(group == null ? reference.group(3) : regex.group(found, group));
        at = reference.end();
      }
      result.append(template, at, template.length());
      copied = found.end();
    } while (found.find());
    return result.append(path, copied, path.length()).toString();
  }

  /** The group that a reference names, or null if it is an escaped character. */
  private static @Nullable String group(Matcher reference) {
    return reference.group(1) != null ? reference.group(1) : reference.group(2);
  }
}
