package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.util.LinkedHashSet;
import java.util.Set;
import org.peftjava.transformers.hub.HubCalls.Answer;
import org.peftjava.transformers.hub.HubException.Reason;

/** What an answer to a request that writes means, if it is no success. */
final class WriteErrors {
  private WriteErrors() {}

  /**
   * The error of an answer.
   *
   * @param what what was asked for, such as "The commit to org/name"
   */
  static HubException of(Answer answer, String what, URI endpoint) {
    int status = answer.status();
    String said = said(answer);
    String code = answer.headers().firstValue("X-Error-Code").orElse("");
    String problem = what + " failed (HTTP " + status + (said.isEmpty() ? "" : ": " + said) + "). ";
    if (code.equals("RevisionNotFound")) {
      return new HubException(
          Reason.REVISION_NOT_FOUND, problem + "Check the branch, or create it first.");
    }
    if (code.equals("EntryNotFound")) {
      return new HubException(Reason.ENTRY_NOT_FOUND, problem + "Check the file's name.");
    }
    if (code.equals("RepoNotFound") || status == 404) {
      return new HubException(
          Reason.REPOSITORY_NOT_FOUND,
          problem + "Check the name, create the repository first, and give a token that sees it.");
    }
    if (status == 401) {
      return new HubException(
          Reason.UNAUTHORIZED,
          problem
              + "The hub does not know the token. Check HF_TOKEN, or make one at "
              + tokens(endpoint));
    }
    if (status == 403) {
      return new HubException(
          Reason.UNAUTHORIZED,
          problem + "The token needs write permission for this; see " + tokens(endpoint));
    }
    if (status == 409 || status == 412) {
      return new HubException(
          Reason.CONFLICT, problem + "It exists already, or was changed meanwhile. Try again.");
    }
    if (status == 413) {
      return new HubException(
          Reason.REJECTED,
          problem + "The files are too large for one request. Push fewer at once.");
    }
    if (HubErrors.isTemporary(status)) {
      return new HubException(Reason.UNAVAILABLE, problem + "Try again later.");
    }
    if (status / 100 == 3) {
      return new HubException(
          Reason.REJECTED,
          problem
              + "The repository has moved to "
              + FileNames.shown(answer.headers().firstValue("Location").orElse("another place"))
              + "; use that name.");
    }
    return new HubException(Reason.REJECTED, problem + "Change what is sent and try again.");
  }

  private static String tokens(URI endpoint) {
    return endpoint + "/settings/tokens.";
  }

  /** The server's own words: a header, or the body's JSON. */
  static String said(Answer answer) {
    Set<String> words = new LinkedHashSet<>();
    answer.headers().firstValue("X-Error-Message").ifPresent(words::add);
    if (words.isEmpty() && answer.text().stripLeading().startsWith("{")) {
      JsonNode json = answer.json();
      if (json.path("error").isTextual()) {
        words.add(json.path("error").asText());
      }
      for (JsonNode error : json.path("errors")) {
        words.add(error.path("message").asText());
      }
    }
    return FileNames.shown(String.join("; ", words));
  }
}
