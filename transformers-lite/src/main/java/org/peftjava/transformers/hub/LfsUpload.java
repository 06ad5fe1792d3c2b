package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.peftjava.transformers.hub.HubCalls.Answer;
import org.peftjava.transformers.hub.HubException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends large files to where the hub wants them, several at once, each whole or in parts. Files
 * that are there already are not sent.
 *
 * <p>Reference: {@code huggingface_hub/_commit_api.py::_upload_files, lfs.py}; the protocol is <a
 * href="https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md">Git LFS's batch API</a>
 * with the hub's multipart transfer.
 */
final class LfsUpload {
  private static final Logger LOG = LoggerFactory.getLogger(LfsUpload.class);
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final String LFS_JSON = "application/vnd.git-lfs+json";
  private static final int BATCH = 256;

  private final HubOptions options;
  private final HubCalls calls;
  private final RepoId repo;
  private final Optional<String> revision;
  private final Object turn = new Object();

  /** A file on its way. */
  private record Sent(
      PreparedFile file, LfsAction action, List<Part> parts, UploadProgress progress) {}

  /** A part of a file and where it goes. */
  private record Part(URI uri, long from, long length) {}

  /**
   * An upload.
   *
   * @param revision the branch that the files are for, if they go into one
   */
  LfsUpload(HubOptions options, HubCalls calls, RepoId repo, Optional<String> revision) {
    this.options = options;
    this.calls = calls;
    this.repo = repo;
    this.revision = revision;
  }

  /** Sends the files that the hub's store lacks. */
  void run(List<PreparedFile> files) {
    Map<String, PreparedFile> byHash = new LinkedHashMap<>();
    files.forEach(file -> byHash.putIfAbsent(file.oid(), file));
    List<PreparedFile> distinct = List.copyOf(byHash.values());
    List<Sent> sent = new ArrayList<>();
    for (int from = 0; from < distinct.size(); from += BATCH) {
      sent.addAll(batch(distinct.subList(from, Math.min(from + BATCH, distinct.size())), byHash));
    }
    try (UploadThreads threads = new UploadThreads()) {
      List<Runnable> endings = new ArrayList<>();
      for (Sent file : sent) {
        List<Callable<String>> tasks = new ArrayList<>();
        for (int i = 0; i < file.parts().size(); i++) {
          int part = i;
          tasks.add(() -> put(file, part));
        }
        var etags = threads.submit(tasks);
        endings.add(() -> complete(file, etags.get()));
      }
      endings.forEach(Runnable::run);
    }
  }

  /** Asks what is to be done with files. */
  private List<Sent> batch(List<PreparedFile> files, Map<String, PreparedFile> byHash) {
    ObjectNode payload = JSON.objectNode().put("operation", "upload");
    payload.putArray("transfers").add("basic").add("multipart");
    ArrayNode objects = payload.putArray("objects");
    for (PreparedFile file : files) {
      objects.addObject().put("oid", file.oid()).put("size", file.size());
    }
    payload.put("hash_algo", "sha256");
    revision.ifPresent(name -> payload.putObject("ref").put("name", name));
    URI uri = calls.uri("/" + repo.name() + ".git/info/lfs/objects/batch");
    Answer answer = calls.post(uri, LFS_JSON, HubCalls.bytes(payload), Pause.RETRIES);
    if (!answer.isGood()) {
      throw WriteErrors.of(answer, "The upload to " + repo.name(), options.endpoint());
    }
    JsonNode json = answer.json();
    List<Sent> sent = new ArrayList<>();
    for (JsonNode object : json.path("objects")) {
      PreparedFile file = byHash.get(object.path("oid").asText());
      if (file == null) {
        throw invalid("names a file that was not asked about");
      }
      if (object.has("error")) {
        throw new HubException(
            Reason.REJECTED,
            "The hub does not take "
                + file.name()
                + ": "
                + FileNames.shown(object.path("error").path("message").asText())
                + " ("
                + object.path("error").path("code").asText()
                + ").");
      }
      LfsAction.of(object, file.addition(), options.endpoint())
          .ifPresentOrElse(
              action -> sent.add(sent(file, action)),
              () -> LOG.debug("{} is there already.", file.name()));
    }
    if (json.path("objects").size() != files.size()) {
      throw invalid(
          "names " + json.path("objects").size() + " files where " + files.size() + " were asked");
    }
    return sent;
  }

  private Sent sent(PreparedFile file, LfsAction action) {
    List<Part> parts = new ArrayList<>();
    if (action.chunkSize().isEmpty()) {
      parts.add(new Part(action.target(), 0, file.size()));
    } else {
      long chunk = action.chunkSize().get();
      for (URI uri : action.parts()) {
        long from = parts.size() * chunk;
        parts.add(new Part(uri, from, Math.min(chunk, file.size() - from)));
      }
    }
    UploadProgress progress =
        new UploadProgress(options.progress(), turn, file.name(), file.size(), parts.size());
    return new Sent(file, action, parts, progress);
  }

  /** Sends a part; returns the ETag that the store gives it. */
  private String put(Sent file, int index) {
    Part part = file.parts().get(index);
    RequestBody body =
        RequestBody.of(
            file.file().addition().file(),
            part.from(),
            part.length(),
            bytes -> file.progress().sent(index, bytes));
    Answer answer = calls.put(part.uri(), body);
    if (answer.isGood()) {
      return answer.headers().firstValue("ETag").orElse("");
    }
    boolean temporary = HubErrors.isTemporary(answer.status());
    throw new HubException(
        temporary ? Reason.UNAVAILABLE : Reason.REJECTED,
        "The hub's store does not take "
            + file.file().name()
            + " (HTTP "
            + answer.status()
            + "). Its address may have expired: push again; what is there is not sent twice.");
  }

  /** Says that all parts are there, and asks for a check if the hub wants one. */
  private void complete(Sent file, List<String> etags) {
    String oid = file.file().oid();
    LfsAction action = file.action();
    if (action.chunkSize().isPresent()) {
      ObjectNode payload = JSON.objectNode().put("oid", oid);
      ArrayNode parts = payload.putArray("parts");
      for (String etag : etags) {
        if (etag.isEmpty()) {
          throw invalid("lacks the ETag of a part of " + file.file().name());
        }
        int number = parts.size() + 1;
        parts.addObject().put("partNumber", number).put("etag", etag);
      }
      told(action.target(), LFS_JSON, payload, file.file().name());
    }
    action
        .verify()
        .ifPresent(
            uri ->
                told(
                    uri,
                    "application/json",
                    JSON.objectNode().put("oid", oid).put("size", file.file().size()),
                    file.file().name()));
    file.progress().done();
  }

  private void told(URI uri, String contentType, JsonNode payload, String name) {
    Answer answer = calls.post(uri, contentType, HubCalls.bytes(payload), Pause.RETRIES);
    if (!answer.isGood()) {
      throw WriteErrors.of(answer, "The upload of " + name, options.endpoint());
    }
  }

  private HubException invalid(String what) {
    return new HubException(
        Reason.INVALID_ANSWER,
        "The hub's answer for " + repo.name() + " " + what + ", which is refused.");
  }
}
