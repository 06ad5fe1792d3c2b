package org.peftjava.transformers.hub;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A commit that was made, as {@code huggingface_hub.CommitInfo}.
 *
 * @param commitUrl where it is shown
 * @param commitMessage its first line
 * @param commitDescription the rest of its message, or empty text
 * @param oid its hash, 40 hexadecimal digits
 * @param prUrl where its pull request is discussed, if one was made
 */
public record CommitInfo(
    String commitUrl,
    String commitMessage,
    String commitDescription,
    String oid,
    Optional<String> prUrl) {
  private static final Pattern DISCUSSION = Pattern.compile(".*/discussions/(\\d{1,9})");

  /** The repository's address. */
  public String repoUrl() {
    return commitUrl.split("/commit/", 2)[0];
  }

  /** The pull request's revision, such as {@code refs/pr/1}. */
  public Optional<String> prRevision() {
    return prNum().map(number -> "refs/pr/" + number);
  }

  /** The pull request's number. */
  public Optional<Integer> prNum() {
    return prUrl
        .map(DISCUSSION::matcher)
        .filter(Matcher::matches)
        .map(match -> Integer.valueOf(match.group(1)));
  }
}
