package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.peftjava.transformers.config.PythonJson;
import org.peftjava.transformers.hub.HubCalls.Answer;
import org.peftjava.transformers.hub.HubException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes model repositories of the hub. May be used by several threads at once.
 *
 * <p>Every method needs a token, and throws {@link HubException} if the hub does not do what is
 * asked. Temporary failures are tried again with growing pauses.
 *
 * <p>Protocol: {@code huggingface_hub/hf_api.py::HfApi}.
 */
public final class HfApi {
  private static final Logger LOG = LoggerFactory.getLogger(HfApi.class);
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final String MAIN = "main";
  private static final String CARD = "README.md";
  private static final long MAX_CARD = 16L << 20;

  private final HubOptions options;
  private final Pause pause;
  private final HubCalls calls;

  /** A client with these options. */
  public HfApi(HubOptions options) {
    this(options, Pause::sleep);
  }

  HfApi(HubOptions options, Pause pause) {
    this.options = options;
    this.pause = pause;
    this.calls = new HubCalls(options, pause);
  }

  /**
   * Creates a model repository.
   *
   * @param repo {@code organization/name}; or a name, in the namespace of the token's account
   * @return the whole name
   */
  public RepoId createRepo(RepoId repo, Consumer<CreateOptions.Builder> settings) {
    CreateOptions how = CreateOptions.of(settings);
    calls.checkWritable();
    int slash = repo.name().indexOf('/');
    ObjectNode payload = JSON.objectNode().put("name", repo.name().substring(slash + 1));
    payload.put("organization", slash < 0 ? null : repo.name().substring(0, slash));
    how.isPrivate().ifPresent(value -> payload.put("visibility", value ? "private" : "public"));
    int retries = how.existOk() ? Pause.RETRIES : 0;
    Answer answer = calls.post("/api/repos/create", payload, retries);
    for (int i = 1; i <= Pause.RETRIES && isBusy(answer); i++) {
      pause.pause(Pause.backOff(i));
      answer = calls.post("/api/repos/create", payload, retries);
    }
    int status = answer.status();
    boolean there = how.existOk() && status == 409 && !isBusy(answer);
    if (answer.isGood() || there) {
      return named(answer.json().path("url").asText(), repo);
    }
    boolean mayBeThere = how.existOk() && (status == 401 || status == 402 || status == 403);
    if (mayBeThere && slash >= 0 && calls.get("/api/models/" + repo.name()).isGood()) {
      return repo;
    }
    throw WriteErrors.of(answer, "Creating the repository " + repo.name(), options.endpoint());
  }

  private static boolean isBusy(Answer answer) {
    return answer.status() == 409 && answer.text().contains("another conflicting operation");
  }

  /** The name at the end of a repository's address, with the revision that was given. */
  private RepoId named(String url, RepoId repo) {
    String[] parts = url.split("/", -1);
    String name = parts.length < 2 ? "" : parts[parts.length - 2] + "/" + parts[parts.length - 1];
    if (!RepoId.isRepoId(name)) {
      throw new HubException(
          Reason.INVALID_ANSWER,
          "The hub's answer for "
              + repo.name()
              + " names the address \""
              + FileNames.shown(url)
              + "\", which is refused.");
    }
    return new RepoId(name, repo.revision());
  }

  /** Creates a branch. */
  public void createBranch(RepoId repo, String branch, Consumer<CreateOptions.Builder> settings) {
    CreateOptions how = CreateOptions.of(settings);
    RepoId.checkRevision(branch);
    calls.checkWritable();
    ObjectNode payload = JSON.objectNode();
    how.revision().ifPresent(from -> payload.put("startingPoint", from));
    Answer answer =
        calls.post(
            "/api/models/" + repo.name() + "/branch/" + FileNames.quote(branch),
            payload,
            how.existOk() ? Pause.RETRIES : 0);
    if (answer.isGood()
        || (how.existOk() && answer.status() == 409)
        || (how.existOk() && answer.status() == 403 && hasRevision(repo, branch))) {
      return;
    }
    throw WriteErrors.of(
        answer, "Creating the branch " + branch + " of " + repo.name(), options.endpoint());
  }

  private boolean hasRevision(RepoId repo, String revision) {
    return calls
        .get("/api/models/" + repo.name() + "/revision/" + FileNames.quote(revision))
        .isGood();
  }

  /**
   * Makes one commit of all the changes. Files that the repository has already, or ignores, are
   * left out; if nothing remains, the branch's last commit is returned.
   */
  public CommitInfo createCommit(
      RepoId repo, List<CommitOperation> operations, Consumer<PushOptions.Builder> settings) {
    return commit(repo, operations, PushOptions.of(settings));
  }

  /** Makes one commit of a folder's files. */
  public CommitInfo uploadFolder(RepoId repo, Path folder, Consumer<PushOptions.Builder> settings) {
    return uploadFolder(repo, folder, PushOptions.of(settings));
  }

  /** Makes a commit of one file. */
  public CommitInfo uploadFile(
      RepoId repo, String pathInRepo, Path file, Consumer<PushOptions.Builder> settings) {
    return commit(
        repo,
        List.of(new CommitOperation.Add(pathInRepo, file)),
        PushOptions.of(settings).orMessage("Upload " + pathInRepo + " with peft-java"));
  }

  /** What {@link #uploadFolder} would upload. Asks nobody. */
  public static UploadPlan planUpload(
      RepoId repo, Path folder, Consumer<PushOptions.Builder> settings) {
    return UploadPlan.of(repo, UploadPlan.additions(folder, PushOptions.of(settings)));
  }

  CommitInfo uploadFolder(RepoId repo, Path folder, PushOptions push) {
    List<CommitOperation.Add> additions = UploadPlan.additions(folder, push);
    List<CommitOperation> operations = new ArrayList<>(deletions(repo, additions, push));
    operations.addAll(additions);
    return commit(repo, operations, push.orMessage("Upload folder using peft-java"));
  }

  private List<CommitOperation.Delete> deletions(
      RepoId repo, List<CommitOperation.Add> additions, PushOptions push) {
    if (push.deletePatterns().isEmpty()) {
      return List.of();
    }
    Set<String> kept = new HashSet<>(Set.of(".gitattributes"));
    additions.forEach(addition -> kept.add(addition.pathInRepo()));
    String revision = push.createPr() ? MAIN : revision(repo, push);
    return info(repo, revision).files().stream()
        .filter(name -> !kept.contains(name))
        .filter(name -> FilePatterns.anyMatches(push.deletePatterns(), name))
        .map(CommitOperation.Delete::new)
        .toList();
  }

  private CommitInfo commit(RepoId repo, List<CommitOperation> operations, PushOptions push) {
    calls.checkWritable();
    if (push.commitMessage().isEmpty()) {
      throw new IllegalArgumentException("A commit needs a commitMessage. Say what has changed.");
    }
    List<CommitOperation.Add> additions = new ArrayList<>();
    List<CommitOperation.Delete> deletions = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (CommitOperation operation : operations) {
      if (!names.add(operation.pathInRepo())) {
        throw new IllegalArgumentException(
            "The commit changes " + operation.pathInRepo() + " twice. Give each file once.");
      }
      if (operation instanceof CommitOperation.Add addition) {
        additions.add(addition);
      } else if (operation instanceof CommitOperation.Delete deletion) {
        deletions.add(deletion);
      }
    }
    checkCard(additions);
    String revision = revision(repo, push);
    List<PreparedFile> files =
        additions.isEmpty()
            ? List.of()
            : new Preupload(calls, options, repo, revision, push.createPr()).prepare(additions);
    files.stream()
        .filter(file -> !file.isWanted())
        .forEach(
            file ->
                LOG.info("{} {}.", file.name(), file.ignored() ? "is ignored" : "is unchanged"));
    List<PreparedFile> wanted = files.stream().filter(PreparedFile::isWanted).toList();
    if (wanted.isEmpty() && deletions.isEmpty()) {
      return unchanged(repo, revision, push);
    }
    List<PreparedFile> large = wanted.stream().filter(PreparedFile::large).toList();
    if (!large.isEmpty()) {
      // For a pull request nobody needs to be allowed to write the branch.
      Optional<String> branch = push.createPr() ? Optional.empty() : Optional.of(revision);
      new LfsUpload(options, calls, repo, branch).run(large);
    }
    return new CommitRequest(calls, options, pause, repo, revision, push).send(deletions, wanted);
  }

  private CommitInfo unchanged(RepoId repo, String revision, PushOptions push) {
    LOG.warn("No file has changed since the last commit of {}; there is no new one.", repo.name());
    String oid = info(repo, revision).commit();
    return new CommitInfo(
        options.endpoint() + "/" + repo.name() + "/commit/" + oid,
        push.commitMessage().orElseThrow(),
        push.commitDescription(),
        oid,
        Optional.empty());
  }

  private RepoInfo info(RepoId repo, String revision) {
    return new HubClient(options, pause).info(repo, revision, Pause.RETRIES);
  }

  /** Lets the hub check the front matter of a model card before anything is uploaded. */
  private void checkCard(List<CommitOperation.Add> additions) {
    Optional<CommitOperation.Add> card =
        additions.stream().filter(addition -> addition.pathInRepo().equals(CARD)).findFirst();
    if (card.isEmpty()) {
      return;
    }
    ObjectNode payload =
        JSON.objectNode()
            .put("content", PythonJson.readText(card.get().file(), MAX_CARD))
            .put("repoType", "model");
    Answer answer = calls.post("/api/validate-yaml", payload, Pause.RETRIES);
    if (answer.status() == 400) {
      throw new HubException(
          Reason.REJECTED,
          "The front matter of README.md is not accepted: "
              + WriteErrors.said(answer)
              + ". Correct it and push again.");
    }
    if (answer.isGood()) {
      for (JsonNode warning : answer.json().path("warnings")) {
        LOG.warn("README.md: {}", FileNames.shown(warning.path("message").asText()));
      }
    }
  }

  private static String revision(RepoId repo, PushOptions push) {
    return push.revision().or(repo::revision).orElse(MAIN);
  }
}
