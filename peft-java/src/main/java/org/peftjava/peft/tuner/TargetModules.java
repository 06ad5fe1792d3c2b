package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Which modules an adapter changes. Paths are relative to the base model. */
public sealed interface TargetModules {
  /**
   * Modules whose path is one of these names or ends with a dot and one of them. Names are no
   * patterns.
   */
  record Names(List<String> names) implements TargetModules {
    /** Drops repetitions. */
    public Names {
      names = List.copyOf(new LinkedHashSet<>(names));
    }

    @Override
    public String toString() {
      return names.toString();
    }
  }

  /** Modules whose whole path matches a regular expression in Python's syntax. */
  record Regex(String pattern) implements TargetModules {
    @Override
    public String toString() {
      return "\"" + pattern + "\"";
    }
  }

  /** Every linear layer except the output embeddings and fully trained heads. */
  record AllLinear() implements TargetModules {
    @Override
    public String toString() {
      return ALL_LINEAR;
    }
  }

  /** What the method's authors chose for this architecture. */
  record ModelDefault() implements TargetModules {
    @Override
    public String toString() {
      return "the model's default";
    }
  }

  /** How {@link AllLinear} is written in a file. */
  String ALL_LINEAR = "all-linear";

  /** Modules by name; see {@link Names}. */
  static TargetModules names(String... names) {
    return new Names(Arrays.asList(names));
  }

  /** Modules by name; see {@link Names}. */
  static TargetModules names(Collection<String> names) {
    return new Names(new ArrayList<>(names));
  }

  /** Modules by pattern; see {@link Regex}. */
  static TargetModules regex(String pattern) {
    return new Regex(pattern);
  }

  /** Every linear layer; see {@link AllLinear}. */
  static TargetModules allLinear() {
    return new AllLinear();
  }

  /** The architecture's default; see {@link ModelDefault}. */
  static TargetModules modelDefault() {
    return new ModelDefault();
  }

  /**
   * Reads a field of a config: a list is names, a text is a pattern, or {@code all-linear} in any
   * case; null is the default.
   */
  static TargetModules ofField(ConfigFields fields, String name) {
    Object value = fields.get(name);
    if (value == null) {
      return modelDefault();
    }
    if (value instanceof String text) {
      return text.toLowerCase(Locale.ROOT).equals(ALL_LINEAR) ? allLinear() : regex(text);
    }
    Optional<List<String>> names = value instanceof List<?> ? fields.texts(name) : Optional.empty();
    return names
        .map(TargetModules::names)
        .orElseThrow(
            () -> fields.invalid(name, "must be a list of module names, a pattern or null"));
  }

  /** The value of the field in a config. */
  default @Nullable Object toField() {
    if (this instanceof Names names) {
      return names.names();
    }
    if (this instanceof Regex regex) {
      return regex.pattern();
    }
    return this instanceof AllLinear ? ALL_LINEAR : null;
  }

  /**
   * Whether these modules include the one at a path: by pattern, or by name or its end after a dot.
   *
   * @param field the config's field, for messages
   */
  default boolean selects(String path, String field) {
    if (this instanceof Regex regex) {
      return PythonRegex.compile(regex.pattern(), field).fullMatch(path);
    }
    return this instanceof Names names
        && names.names().stream().anyMatch(n -> path.equals(n) || path.endsWith("." + n));
  }
}
