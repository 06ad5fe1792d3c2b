package org.peftjava.transformers.hub;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A repository: its commits, and the branches, tags and pull requests that name them. */
final class ServedRepository {
  private final String name;
  private final boolean gated;
  private final boolean isPrivate;
  private final Map<String, ServedCommit> refs = new LinkedHashMap<>();
  private final Map<String, ServedCommit> commits = new LinkedHashMap<>();

  ServedRepository(String name, boolean gated, boolean isPrivate) {
    this.name = name;
    this.gated = gated;
    this.isPrivate = isPrivate;
  }

  String name() {
    return name;
  }

  boolean gated() {
    return gated;
  }

  boolean isPrivate() {
    return isPrivate;
  }

  /** The commit that a branch, tag, pull request or hash names. */
  synchronized Optional<ServedCommit> commit(String revision) {
    return Optional.ofNullable(refs.getOrDefault(revision, commits.get(revision)));
  }

  /** Length of the revision before a file's name; both may have slashes. */
  synchronized int revisionLength(String revisionAndFile) {
    int end = revisionAndFile.indexOf('/');
    for (int at = end; at > 0; at = revisionAndFile.indexOf('/', at + 1)) {
      if (commit(revisionAndFile.substring(0, at)).isPresent()) {
        return at;
      }
    }
    return end;
  }

  synchronized void put(String ref, ServedCommit commit) {
    refs.put(ref, commit);
    commits.put(commit.hash(), commit);
  }

  /** The next pull request's revision. */
  synchronized String nextPullRequest() {
    long number = refs.keySet().stream().filter(ref -> ref.startsWith("refs/pr/")).count() + 1;
    return "refs/pr/" + number;
  }

  /** Contents of all commits. */
  synchronized List<byte[]> contents() {
    return commits.values().stream().flatMap(commit -> commit.files().values().stream()).toList();
  }
}
