package org.peftjava.transformers.hub;

import java.net.http.HttpHeaders;
import java.util.Optional;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * What the hub says about a file, in the headers of its answer to HEAD.
 *
 * @param etag the name of its blob: SHA-256 of the contents for a file in LFS or Xet, git's blob
 *     hash (SHA-1) for others
 * @param size its bytes
 */
record RemoteFile(String etag, long size) {
  /** Reads {@code X-Linked-Etag, X-Linked-Size, X-Repo-Commit} or their plain counterparts. */
  static RemoteFile of(HttpHeaders headers, boolean redirect, String commit, String file) {
    String etag = normalized(first(headers, "X-Linked-Etag", "ETag").orElse(""));
    if (!FileNames.isEtag(etag)) {
      throw invalid(file, "the ETag \"" + FileNames.shown(etag) + "\"");
    }
    String actual = headers.firstValue("X-Repo-Commit").orElse("");
    if (!actual.equals(commit)) {
      throw invalid(
          file,
          "the commit \"" + FileNames.shown(actual) + "\" where " + commit + " was asked for");
    }
    Optional<String> size =
        headers
            .firstValue("X-Linked-Size")
            .or(() -> redirect ? Optional.empty() : headers.firstValue("Content-Length"));
    if (!size.orElse("").matches("\\d{1,18}")) {
      throw invalid(file, "the size \"" + FileNames.shown(size.orElse("")) + "\"");
    }
    return new RemoteFile(etag, Long.parseLong(size.orElseThrow()));
  }

  private static Optional<String> first(HttpHeaders headers, String name, String otherwise) {
    return headers.firstValue(name).or(() -> headers.firstValue(otherwise));
  }

  /** {@code W/"abc"} and {@code "abc"} are {@code abc}. */
  private static String normalized(String etag) {
    String strong = etag.startsWith("W/") ? etag.substring(2) : etag;
    return strong.replaceAll("^\"+|\"+$", "");
  }

  private static HubException invalid(String file, String what) {
    return new HubException(
        Reason.INVALID_ANSWER,
        "The hub's answer for "
            + file
            + " has "
            + what
            + ". Does HF_ENDPOINT point to a hub? Else try again later.");
  }
}
