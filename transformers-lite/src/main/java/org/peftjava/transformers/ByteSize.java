package org.peftjava.transformers;

import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Numbers of bytes as people write them: "5GB" of 10^9 bytes, "5GiB" of 2^30. */
public final class ByteSize {
  private static final Map<String, Long> UNITS =
      Map.of(
          "KB",
          1_000L,
          "MB",
          1_000_000L,
          "GB",
          1_000_000_000L,
          "TB",
          1_000_000_000_000L,
          "KIB",
          1L << 10,
          "MIB",
          1L << 20,
          "GIB",
          1L << 30,
          "TIB",
          1L << 40);
  private static final Pattern SIZE = Pattern.compile("(\\d{1,15}(?:\\.\\d{1,15})?) *([KMGT]I?B)");

  private ByteSize() {}

  /**
   * Reads a size.
   *
   * @param what its name in the error, such as "maxShardSize"
   */
  public static long parse(String size, String what) {
    Matcher matcher = SIZE.matcher(size.strip().toUpperCase(Locale.ROOT));
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          what + " is \"" + size + "\"; expected a number with KB, MB, GB or TB, as in 5GB.");
    }
    long unit = Objects.requireNonNull(UNITS.get(matcher.group(2)));
    return (long) (Double.parseDouble(matcher.group(1)) * unit);
  }
}
