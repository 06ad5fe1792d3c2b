package org.peftjava.quant;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.PathPattern;

/**
 * Which modules are not quantized. Reference: {@code
 * transformers.quantizers.quantizers_utils.should_convert_module}, negated, and {@code
 * transformers.quantizers.base.get_keys_to_not_convert}.
 */
public final class SkipPatterns {
  private static final String WEIGHT = ".weight";

  private final List<PathPattern> patterns = new ArrayList<>();

  private SkipPatterns() {}

  /**
   * The rule of a config for a model.
   *
   * @param byDefault names of modules that are skipped where the config has no list of its own:
   *     output heads and tied weights. The module of the model's last parameter is added to them.
   * @param always names of modules that are skipped in any case
   */
  public static SkipPatterns of(
      Module model,
      QuantizationConfig config,
      Collection<String> byDefault,
      Collection<String> always) {
    SkipPatterns result = new SkipPatterns();
    if (config.skipModules().isPresent()) {
      config.skipModules().get().forEach(result::addExpression);
    } else {
      byDefault.forEach(name -> result.add(Pattern.quote(name), name));
      String last = lastModule(model);
      result.add(Pattern.quote(last), last);
    }
    always.forEach(name -> result.add(Pattern.quote(name), name));
    return result;
  }

  /** Whether the module at this path is skipped. */
  public boolean matches(String path) {
    return patterns.stream().anyMatch(pattern -> pattern.isFoundIn(path));
  }

  private void addExpression(String name) {
    try {
      add("(?:" + name + ")", name);
    } catch (PatternSyntaxException e) {
      throw new IllegalArgumentException(
          "The name '"
              + name
              + "' of modules to skip is no regular expression: "
              + e.getDescription()
              + ". Expected a module name, such as lm_head, or an expression for its path.",
          e);
    }
  }

  private void add(String expression, String name) {
    patterns.add(PathPattern.compile("^" + expression, 0));
    patterns.add(PathPattern.compile(Pattern.quote(name) + "$", 0));
  }

  private static String lastModule(Module model) {
    String last = "";
    for (String name : model.namedParameters().keySet()) {
      last = name;
    }
    return last.endsWith(WEIGHT) ? last.substring(0, last.length() - WEIGHT.length()) : last;
  }
}
