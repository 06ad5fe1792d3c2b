package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.peftjava.transformers.config.PythonJson;
import org.peftjava.transformers.hub.HubCalls.Answer;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * Asks which files are large, ignored or there already, by their names, sizes and first bytes.
 * Reference: {@code huggingface_hub/_commit_api.py::_fetch_upload_modes}.
 */
final class Preupload {
  private static final int BATCH = 256;
  private static final int SAMPLE = 512;
  private static final long MAX_GITIGNORE = 1 << 20;
  private static final Set<String> MODES = Set.of("lfs", "regular");

  private final HubCalls calls;
  private final HubOptions options;
  private final RepoId repo;
  private final String path;

  Preupload(HubCalls calls, HubOptions options, RepoId repo, String revision, boolean createPr) {
    this.calls = calls;
    this.options = options;
    this.repo = repo;
    path =
        "/api/models/"
            + repo.name()
            + "/preupload/"
            + FileNames.quote(revision)
            + (createPr ? "?create_pr=1" : "");
  }

  /** The files with the hub's answers, in the same order; reads and hashes them. */
  List<PreparedFile> prepare(List<CommitOperation.Add> additions) {
    Optional<String> gitIgnore =
        additions.stream()
            .filter(addition -> addition.pathInRepo().equals(".gitignore"))
            .findFirst()
            .map(addition -> PythonJson.readText(addition.file(), MAX_GITIGNORE));
    Map<String, JsonNode> answers = new HashMap<>();
    for (int from = 0; from < additions.size(); from += BATCH) {
      List<CommitOperation.Add> batch =
          additions.subList(from, Math.min(from + BATCH, additions.size()));
      for (JsonNode file : ask(batch, gitIgnore).path("files")) {
        answers.put(file.path("path").asText(), file);
      }
    }
    List<Callable<PreparedFile>> tasks = new ArrayList<>();
    for (CommitOperation.Add addition : additions) {
      JsonNode answer = answers.get(addition.pathInRepo());
      if (answer == null || !MODES.contains(answer.path("uploadMode").asText())) {
        throw new HubException(
            Reason.INVALID_ANSWER,
            "The hub does not say how "
                + addition.pathInRepo()
                + " is uploaded. Does HF_ENDPOINT point to a hub?");
      }
      tasks.add(() -> prepared(addition, answer));
    }
    try (UploadThreads threads = new UploadThreads()) {
      return threads.submit(tasks).get();
    }
  }

  private static PreparedFile prepared(CommitOperation.Add addition, JsonNode answer) {
    try {
      Path file = addition.file();
      long size = Files.size(file);
      // An empty file cannot be in the store of large files.
      boolean large = size > 0 && answer.path("uploadMode").asText().equals("lfs");
      String oid = large ? BlobHash.sha256(file) : BlobHash.git(file);
      return new PreparedFile(
          addition,
          size,
          large,
          answer.path("shouldIgnore").asBoolean(),
          oid.equals(answer.path("oid").asText()),
          oid);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + addition.file() + ".", e);
    }
  }

  private JsonNode ask(List<CommitOperation.Add> additions, Optional<String> gitIgnore) {
    ObjectNode payload = JsonNodeFactory.instance.objectNode();
    ArrayNode files = payload.putArray("files");
    for (CommitOperation.Add addition : additions) {
      files
          .addObject()
          .put("path", addition.pathInRepo())
          .put("sample", sample(addition.file()))
          .put("size", UploadPlan.size(addition.file()));
    }
    gitIgnore.ifPresent(text -> payload.put("gitIgnore", text));
    Answer answer = calls.post(path, payload, Pause.RETRIES);
    if (!answer.isGood()) {
      throw WriteErrors.of(answer, "The upload to " + repo.name(), options.endpoint());
    }
    return answer.json();
  }

  private static String sample(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      return Base64.getEncoder().encodeToString(in.readNBytes(SAMPLE));
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ".", e);
    }
  }
}
