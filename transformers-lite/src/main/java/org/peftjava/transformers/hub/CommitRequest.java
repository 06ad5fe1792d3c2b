package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.peftjava.transformers.hub.HubCalls.Answer;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * Makes a commit of files whose large ones are in the store already. The request is a list of JSON
 * lines, in a temporary file because it holds the contents of the others.
 *
 * <p>Reference: {@code huggingface_hub/_commit_api.py::_send_commit}.
 */
final class CommitRequest {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final String NDJSON = "application/x-ndjson";

  private final HubCalls calls;
  private final HubOptions options;
  private final Pause pause;
  private final RepoId repo;
  private final String revision;
  private final PushOptions push;

  CommitRequest(
      HubCalls calls,
      HubOptions options,
      Pause pause,
      RepoId repo,
      String revision,
      PushOptions push) {
    this.calls = calls;
    this.options = options;
    this.pause = pause;
    this.repo = repo;
    this.revision = revision;
    this.push = push;
  }

  /** Makes the commit. */
  CommitInfo send(List<CommitOperation.Delete> deletions, List<PreparedFile> files) {
    try {
      Path lines = Files.createTempFile("peft-java-commit", ".ndjson");
      try {
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(lines))) {
          write(out, deletions, files);
        }
        return info(post(lines).json());
      } finally {
        Files.delete(lines);
      }
    } catch (IOException e) {
      throw new HubException(
          Reason.CACHE,
          "Cannot prepare the commit in " + System.getProperty("java.io.tmpdir") + ": " + e + ".",
          e);
    }
  }

  private void write(
      OutputStream out, List<CommitOperation.Delete> deletions, List<PreparedFile> files)
      throws IOException {
    ObjectNode header =
        JSON.objectNode()
            .put("summary", push.commitMessage().orElseThrow())
            .put("description", push.commitDescription());
    push.parentCommit().ifPresent(parent -> header.put("parentCommit", parent));
    line(out, "header", header);
    for (CommitOperation.Delete deletion : deletions) {
      String path = deletion.pathInRepo();
      line(
          out,
          path.endsWith("/") ? "deletedFolder" : "deletedFile",
          JSON.objectNode().put("path", path));
    }
    for (PreparedFile file : files) {
      if (file.large()) {
        line(
            out,
            "lfsFile",
            JSON.objectNode()
                .put("path", file.name())
                .put("algo", "sha256")
                .put("oid", file.oid())
                .put("size", file.size()));
      } else {
        contents(out, file);
      }
    }
  }

  private static void line(OutputStream out, String key, JsonNode value) throws IOException {
    JsonNode line = JSON.objectNode().put("key", key).set("value", value);
    out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
  }

  /** A line with a file's contents, which are never in memory as a whole. */
  private static void contents(OutputStream out, PreparedFile file) throws IOException {
    String path = JSON.textNode(file.name()).toString();
    out.write(
        ("{\"key\": \"file\", \"value\": {\"path\": "
                + path
                + ", \"encoding\": \"base64\", \"content\": \"")
            .getBytes(StandardCharsets.UTF_8));
    OutputStream staysOpen =
        new FilterOutputStream(out) {
          @Override
          public void write(byte[] bytes, int offset, int length) throws IOException {
            out.write(bytes, offset, length);
          }

          @Override
          public void close() {}
        };
    try (OutputStream encoded = Base64.getEncoder().wrap(staysOpen)) {
      Files.copy(file.addition().file(), encoded);
    }
    out.write("\"}}\n".getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Sends the lines. A commit that may have been made is not sent again; one that was refused
   * because of another at the same time is.
   */
  private Answer post(Path lines) throws IOException {
    URI uri =
        calls.uri(
            "/api/models/"
                + repo.name()
                + "/commit/"
                + FileNames.quote(revision)
                + (push.createPr() ? "?create_pr=1" : ""));
    for (int failures = 1; ; failures++) {
      RequestBody body = RequestBody.of(lines, 0, Files.size(lines), count -> {});
      Answer answer;
      try {
        answer = calls.post(uri, NDJSON, body, 0);
      } catch (HubException e) {
        throw new HubException(e.reason(), e.getMessage() + doubt(), e);
      }
      boolean retry =
          answer.status() == 429
              || (push.parentCommit().isEmpty()
                  && (answer.status() == 409 || answer.status() == 412));
      if (answer.isGood()) {
        return answer;
      }
      if (!retry || failures > Pause.RETRIES) {
        HubException error =
            WriteErrors.of(answer, "The commit to " + repo.name(), options.endpoint());
        throw answer.status() >= 500
            ? new HubException(error.reason(), error.getMessage() + doubt(), error)
            : error;
      }
      pause.pause(Pause.backOff(failures));
    }
  }

  private String doubt() {
    return " The commit may have been made all the same: look at "
        + options.endpoint()
        + "/"
        + repo.name()
        + "/commits/"
        + revision
        + " first.";
  }

  private CommitInfo info(JsonNode json) {
    String oid = json.path("commitOid").asText();
    String url = json.path("commitUrl").asText();
    if (!FileNames.isCommit(oid) || url.isEmpty()) {
      throw new HubException(
          Reason.INVALID_ANSWER,
          "The hub's answer to the commit names the commit \"" + FileNames.shown(oid) + "\".");
    }
    Optional<String> prUrl =
        Optional.of(json.path("pullRequestUrl").asText()).filter(text -> push.createPr());
    return new CommitInfo(
        url, push.commitMessage().orElseThrow(), push.commitDescription(), oid, prUrl);
  }
}
