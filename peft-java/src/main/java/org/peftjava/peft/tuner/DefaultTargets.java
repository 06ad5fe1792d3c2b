package org.peftjava.peft.tuner;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;

/**
 * The modules that a method adapts when its config names none, by architecture.
 *
 * <p>Reference: PEFT {@code utils/constants.py}, from which the files below {@code targets/} are
 * made.
 */
public final class DefaultTargets {
  /** What most methods take: attention's query and value. */
  public static final DefaultTargets LORA = of("lora");

  /** No architecture has a default. */
  public static final DefaultTargets NONE = new DefaultTargets();

  private final Properties names = new Properties();

  private DefaultTargets() {}

  /** The table in {@code targets/<name>.properties}. */
  public static DefaultTargets of(String name) {
    DefaultTargets result = new DefaultTargets();
    String file = "targets/" + name + ".properties";
    try (InputStream in = DefaultTargets.class.getResourceAsStream(file)) {
      result.names.load(Objects.requireNonNull(in, file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return result;
  }

  /** The names for an architecture, such as "opt". */
  public Optional<List<String>> get(String modelType) {
    return Optional.ofNullable(names.getProperty(modelType))
        .map(found -> List.of(found.split(" ")));
  }
}
