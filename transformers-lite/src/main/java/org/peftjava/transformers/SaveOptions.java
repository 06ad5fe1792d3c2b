package org.peftjava.transformers;

import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How {@code savePretrained} writes a model.
 *
 * @param maxShardSize bytes of tensors in one file; more go into several files with an index
 */
public record SaveOptions(long maxShardSize) {
  /** transformers' default, "50GB". */
  private static final long DEFAULT_SHARD_SIZE = 50_000_000_000L;

  private static final Map<String, Long> UNITS =
      Map.of("KB", 1_000L, "MB", 1_000_000L, "GB", 1_000_000_000L, "TB", 1_000_000_000_000L);
  private static final Pattern SIZE = Pattern.compile("(\\d{1,15}(?:\\.\\d{1,15})?) *([A-Z]{2})");

  /** Checks the size. */
  public SaveOptions {
    if (maxShardSize <= 0) {
      throw new IllegalArgumentException(
          "maxShardSize is " + maxShardSize + "; expected a positive number of bytes.");
    }
  }

  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  static SaveOptions of(Consumer<Builder> options) {
    Builder builder = builder();
    options.accept(builder);
    return builder.build();
  }

  /** Collects options. */
  public static final class Builder {
    private long maxShardSize = DEFAULT_SHARD_SIZE;

    private Builder() {}

    /** Bytes of tensors in one file; a larger tensor gets a file of its own. */
    public Builder maxShardSize(long bytes) {
      maxShardSize = bytes;
      return this;
    }

    /** The same as text with a decimal unit: "5GB", "200MB", "8KB", "1TB". */
    public Builder maxShardSize(String size) {
      Matcher matcher = SIZE.matcher(size.strip().toUpperCase(Locale.ROOT));
      if (!matcher.matches() || !UNITS.containsKey(matcher.group(2))) {
        throw new IllegalArgumentException(
            "maxShardSize is \""
                + size
                + "\"; expected a number with KB, MB, GB or TB, as in 5GB.");
      }
      long unit = Objects.requireNonNull(UNITS.get(matcher.group(2)));
      return maxShardSize((long) (Double.parseDouble(matcher.group(1)) * unit));
    }

    /** The options. */
    public SaveOptions build() {
      return new SaveOptions(maxShardSize);
    }
  }
}
