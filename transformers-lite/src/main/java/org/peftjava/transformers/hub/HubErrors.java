package org.peftjava.transformers.hub;

import java.net.URI;
import java.net.http.HttpResponse;
import java.util.Optional;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * What an answer that is no success means, as {@code huggingface_hub/utils/_http.py}, {@code
 * hf_raise_for_status}, reads it.
 */
final class HubErrors {
  private HubErrors() {}

  /** Whether the same request may succeed later. */
  static boolean isTemporary(int status) {
    return status == 408 || status == 429 || (status >= 500 && status <= 504);
  }

  /**
   * The error of an answer.
   *
   * @param repo the repository that was asked for
   * @param revision its revision
   * @param file the file, or empty if the repository itself was asked for
   */
  static HubException of(
      HttpResponse<?> answer, RepoId repo, String revision, Optional<String> file, URI endpoint) {
    int status = answer.statusCode();
    String code = answer.headers().firstValue("X-Error-Code").orElse("");
    String message =
        answer.headers().firstValue("X-Error-Message").map(FileNames::shown).orElse("");
    String name = "The repository \"" + repo.name() + "\"";
    String said = " (HTTP " + status + (message.isEmpty() ? "" : ": " + message) + ")";
    if (code.equals("RevisionNotFound")) {
      return new HubException(
          Reason.REVISION_NOT_FOUND,
          name + " has no revision \"" + revision + "\"" + said + ". Check branch, tag or commit.");
    }
    if (code.equals("EntryNotFound") || (status == 404 && code.isEmpty() && file.isPresent())) {
      return new HubException(
          Reason.ENTRY_NOT_FOUND,
          name + " has no file \"" + file.orElse("") + "\" in revision " + revision + said + ".");
    }
    if (code.equals("GatedRepo")) {
      return new HubException(
          Reason.GATED_REPO,
          name
              + " is gated"
              + said
              + ". Accept its terms at "
              + endpoint
              + "/"
              + repo.name()
              + ", and give the token of that account in HF_TOKEN.");
    }
    if (status == 401 && message.startsWith("Invalid credentials")) {
      return new HubException(
          Reason.UNAUTHORIZED, "The hub refuses the token" + said + ". Check HF_TOKEN.");
    }
    if (code.equals("RepoNotFound") || status == 401 || status == 404) {
      return new HubException(
          Reason.REPOSITORY_NOT_FOUND,
          name
              + " is not on "
              + endpoint
              + ", or it is private"
              + said
              + ". Check the name; for a private one give a token in HF_TOKEN.");
    }
    if (status == 403) {
      return new HubException(
          Reason.UNAUTHORIZED, name + " may not be read" + said + ". Check HF_TOKEN.");
    }
    return new HubException(
        isTemporary(status) ? Reason.UNAVAILABLE : Reason.INVALID_ANSWER,
        "The hub answers for "
            + repo.name()
            + file.map(text -> "/" + text).orElse("")
            + " with an error"
            + said
            + ". Try again later.");
  }
}
