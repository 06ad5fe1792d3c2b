package org.peftjava.transformers.hub;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Names that come from a server and become paths or parts of addresses here. */
final class FileNames {
  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
  private static final Pattern ETAG = Pattern.compile("[0-9a-zA-Z_-]{1,128}");
  private static final int MAX_LENGTH = 1000;

  private FileNames() {}

  /** Whether a relative name stays below the folder it is resolved against, on every system. */
  static boolean isSafe(String name) {
    return !name.isEmpty()
        && name.length() <= MAX_LENGTH
        && name.chars().noneMatch(c -> c < ' ' || c == '\\' || c == ':' || c == 0x7f)
        && Arrays.stream(name.split("/", -1))
            .noneMatch(part -> part.isEmpty() || part.equals(".") || part.equals(".."));
  }

  /** Whether this is the full hash of a commit. */
  static boolean isCommit(String text) {
    return COMMIT.matcher(text).matches();
  }

  /** Whether this can be the name of a blob. */
  static boolean isEtag(String text) {
    return ETAG.matcher(text).matches();
  }

  /** A revision as one part of an address. */
  static String quote(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /** A file name as part of an address; slashes stay. */
  static String quotePath(String name) {
    return Arrays.stream(name.split("/", -1))
        .map(FileNames::quote)
        .collect(Collectors.joining("/"));
  }

  /** Text of a server that is shown to a person: one line, not too long. */
  static String shown(String text) {
    String plain = text.replaceAll("\\p{Cntrl}+", " ").strip();
    return plain.length() <= 200 ? plain : plain.substring(0, 200) + "...";
  }
}
