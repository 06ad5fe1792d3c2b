package org.peftjava.peft.cli;

import java.util.Locale;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Puts a command's options in place of the library's names for them: {@code lower learningRate} and
 * {@code set packing(true)} are advice for Java, {@code --learning-rate} and {@code --packing} are
 * the same for a shell.
 */
final class OptionNames {
  private static final Pattern NAME =
      Pattern.compile(
          "(?<![-\\w.\"'/])([a-z]+(?:[A-Z_][a-z0-9]+)*)(?:\\((true|false|…)\\))?(?![\\w/])");

  private final Set<String> options;

  OptionNames(CommandSpec spec) {
    options = spec.optionsMap().keySet();
  }

  String in(String sentence) {
    return NAME.matcher(sentence).replaceAll(this::option);
  }

  private String option(MatchResult match) {
    String kebab =
        match.group(1).replaceAll("([A-Z])", "-$1").replace('_', '-').toLowerCase(Locale.ROOT);
    boolean single = !kebab.contains("-");
    if (!options.contains("--" + kebab) || (single && match.group(2) == null)) {
      return Matcher.quoteReplacement(match.group());
    }
    return "false".equals(match.group(2)) ? "--no-" + kebab : "--" + kebab;
  }
}
