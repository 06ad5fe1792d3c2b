package org.peftjava.transformers.hub;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The name of a model repository and a revision of it: {@code org/name}, {@code name}, {@code
 * org/name@revision}.
 *
 * <p>Names follow {@code huggingface_hub/utils/_validators.py::validate_repo_id}.
 *
 * @param name with the organization, if there is one
 * @param revision a branch, tag or commit, if one was given
 */
public record RepoId(String name, Optional<String> revision) {
  private static final Pattern NAME = Pattern.compile("(?:\\b[\\w.-]+\\b/)?\\b[\\w.-]{1,96}\\b");
  private static final int MAX_LENGTH = 193;
  private static final Pattern REVISION = Pattern.compile("[^\\p{Cntrl}\\\\:*?\"<>|~^ ]{1,200}");

  /** Checks the name and the revision. */
  public RepoId {
    if (!isName(name)) {
      throw new IllegalArgumentException(
          "\""
              + name
              + "\" is no name of a repository on the hub: expected org/name or name, of letters,"
              + " digits, '-', '_' and '.', without \"--\" and \"..\".");
    }
    revision.ifPresent(RepoId::checkRevision);
  }

  /** Reads {@code org/name} or {@code org/name@revision}. */
  public static RepoId parse(String text) {
    int at = text.indexOf('@');
    return at < 0
        ? new RepoId(text, Optional.empty())
        : new RepoId(text.substring(0, at), Optional.of(text.substring(at + 1)));
  }

  /** Whether this can be read by {@link #parse}. */
  public static boolean isRepoId(String text) {
    int at = text.indexOf('@');
    return isName(at < 0 ? text : text.substring(0, at));
  }

  private static boolean isName(String name) {
    return name.length() <= MAX_LENGTH
        && NAME.matcher(name).matches()
        && !name.contains("--")
        && !name.contains("..")
        && !name.endsWith(".git");
  }

  /** A revision becomes a file name below {@code refs}. */
  static void checkRevision(String revision) {
    if (!REVISION.matcher(revision).matches() || !FileNames.isSafe(revision)) {
      throw new IllegalArgumentException(
          "\"" + revision + "\" is no revision: expected a branch, a tag or a commit.");
    }
  }

  /** The folder in the cache: {@code models--org--name}. */
  String folderName() {
    return "models--" + name.replace("/", "--");
  }

  @Override
  public String toString() {
    return name + revision.map(text -> "@" + text).orElse("");
  }
}
