package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.transformers.hub.HubException.Reason;

/** Hubs that are busy, refuse, or answer nonsense while something is uploaded. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HfApiFailuresTest extends HubUploadFixture {
  @BeforeEach
  void fill() throws IOException {
    put("README.md", bytes("---\nlicense: mit\n---\n"));
    put("one.safetensors", HubFixture.random(3000));
    put("parts.safetensors", HubFixture.random(9001));
  }

  private CommitInfo upload() {
    return api().uploadFolder(REPO, folder, o -> {});
  }

  private void assertAllThere() {
    assertEquals(files, served("org/model", "main", hub.files.keySet().toArray(new String[0])));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/api/repos/create",
        "/branch/",
        "validate-yaml",
        "/preupload/",
        "/objects/batch",
        "/objects/verify",
        "PUT /upload/",
        "/api/complete_multipart"
      })
  void busyHubsAreAskedAgain(String path) {
    hub.server.trap(path, 2, exchange -> HubServer.send(exchange, 503, new byte[0]));
    hub.server.trap(path, 1, exchange -> HubServer.send(exchange, 429, new byte[0]));
    HfApi api = api();
    api.createRepo(REPO, o -> o.existOk(true));
    api.createBranch(REPO, "v1", o -> o.existOk(true));
    api.uploadFolder(REPO, folder, o -> {});
    assertAllThere();
    assertEquals(3, hub.pauses.size(), hub.pauses.toString());
  }

  @Test
  void aCommitIsMadeOnce() {
    hub.server.trap("/commit/", 1, exchange -> HubServer.send(exchange, 500, new byte[0]));
    HubException error = assertReason(Reason.UNAVAILABLE, "may have been made", this::upload);
    assertTrue(error.getMessage().contains("/org/model/commits/main"), error.getMessage());
    assertEquals(1, hub.server.log().stream().filter(r -> r.contains("/commit/")).count());
    hub.server.trap("/commit/", 1, exchange -> exchange.close());
    assertReason(Reason.UNAVAILABLE, "may have been made", this::upload);
    assertEquals(List.of(), hub.pauses);
  }

  /** Another commit at the same moment is waited for, unless the parent was named. */
  @ParameterizedTest
  @ValueSource(ints = {409, 412, 429})
  void commitsAtTheSameTimeTakeTurns(int status) {
    HubServer.Answer busy =
        exchange -> HubServer.send(exchange, status, bytes("{\"error\": \"has happened since\"}"));
    hub.server.trap("/commit/", 2, busy);
    upload();
    assertAllThere();
    assertEquals(Stream.of(1, 2).map(Duration::ofSeconds).toList(), hub.pauses);
    hub.server.trap("/commit/", 99, busy);
    assertReason(
        status == 429 ? Reason.UNAVAILABLE : Reason.CONFLICT,
        "has happened since",
        () ->
            api()
                .createCommit(
                    REPO,
                    List.of(new CommitOperation.Delete("one.safetensors")),
                    o -> o.commitMessage("m")));
  }

  @Test
  void aParentThatIsNotTheLastIsAConflict() {
    upload();
    assertReason(
        Reason.CONFLICT,
        "A commit has happened since",
        () ->
            api()
                .createCommit(
                    REPO,
                    List.of(new CommitOperation.Delete("README.md")),
                    o -> o.commitMessage("m").parentCommit(hub.commit)));
    assertEquals(List.of(), hub.pauses);
  }

  @Test
  void standingStillIsNoticed() {
    hub.server.trap(
        "PUT /upload/",
        1,
        exchange -> {
          try {
            Thread.sleep(2000);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    api(hub.options().token(HubServer.TOKEN).uploadTimeout(Duration.ofMillis(400)))
        .uploadFolder(REPO, folder, o -> {});
    assertAllThere();
    assertEquals(List.of(Duration.ofSeconds(1)), hub.pauses);
  }

  @ParameterizedTest
  @CsvSource({
    "401, UNAUTHORIZED, does not know the token",
    "403, UNAUTHORIZED, needs write permission",
    "404, REPOSITORY_NOT_FOUND, create the repository first",
    "409, CONFLICT, exists already",
    "413, REJECTED, too large for one request",
    "422, REJECTED, Change what is sent",
    "400, REJECTED, Change what is sent"
  })
  void refusalsAreExplained(int status, Reason reason, String part) {
    hub.server.trap(
        "/preupload/",
        1,
        exchange -> HubServer.send(exchange, status, bytes("{\"error\": \"the\\nreason\"}")));
    HubException error = assertReason(reason, part, this::upload);
    assertTrue(
        error.getMessage().contains("(HTTP " + status + ": the reason)"), error.getMessage());
  }

  @Test
  void whatIsNotThereOrNotAllowedIsToldApart() {
    HfApi api = api();
    Path file = folder.resolve("README.md");
    assertReason(
        Reason.REPOSITORY_NOT_FOUND,
        "The upload to org/absent failed",
        () -> api.uploadFile(RepoId.parse("org/absent"), "a", file, o -> {}));
    assertReason(
        Reason.REVISION_NOT_FOUND,
        "create it first",
        () -> api.uploadFile(REPO, "a", file, o -> o.revision("absent")));
    assertReason(
        Reason.ENTRY_NOT_FOUND,
        "A file with this name doesn't exist",
        () ->
            api.createCommit(
                REPO, List.of(new CommitOperation.Delete("absent")), o -> o.commitMessage("m")));
    assertReason(
        Reason.CONFLICT, "already created this model", () -> api.createRepo(REPO, o -> {}));
    assertReason(Reason.CONFLICT, "already exists", () -> api.createBranch(REPO, "v1", o -> {}));
    assertReason(
        Reason.UNAUTHORIZED,
        "the rights to create a model under other",
        () -> api.createRepo(RepoId.parse("other/x"), o -> o.existOk(true)));
    assertReason(
        Reason.UNAUTHORIZED,
        "needs write permission",
        () -> api(hub.options().token("hf_read")).uploadFile(REPO, "a", file, o -> {}));
    assertReason(
        Reason.REJECTED,
        "is not accepted: bad indentation",
        () -> api.uploadFile(REPO, "README.md", put("bad/README.md"), o -> {}));
  }

  private Path put(String name) {
    try {
      return put(name, bytes("---\nlicense: [\n---\n"));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void withoutTokenOrNetworkNothingIsSent() {
    assertReason(
        Reason.UNAUTHORIZED,
        "Set HF_TOKEN",
        () -> api(hub.options()).uploadFolder(REPO, folder, o -> {}));
    assertReason(
        Reason.UNAUTHORIZED, "needs a token", () -> api(hub.options()).createRepo(REPO, o -> {}));
    HubOptions.Builder offline = hub.options().token(HubServer.TOKEN).localFilesOnly(true);
    assertReason(
        Reason.UNAVAILABLE,
        "HF_HUB_OFFLINE",
        () -> api(offline).uploadFolder(REPO, folder, o -> {}));
    assertEquals(List.of(), hub.server.log());
  }

  /** Answers that break the protocol are refused by name, and never crash or hang. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\0',
      value = {
        "/preupload/ | not json | cannot be read",
        "/preupload/ | {\"files\": []} | does not say how README.md is uploaded",
        "/preupload/ | {\"files\": [{\"path\": \"README.md\", \"uploadMode\": \"x\"}]} | does not"
            + " say",
        "/objects/batch | {\"objects\": []} | names 0 files where 2 were asked",
        "/objects/batch | {\"objects\": [{\"oid\": \"ab\"}]} | was not asked about",
        "/objects/batch | {\"objects\": [{\"oid\": OID, \"actions\": {\"upload\": {\"href\":"
            + " \"file:///etc/passwd\"}}}]} | not secure",
        "/objects/batch | {\"objects\": [{\"oid\": OID, \"actions\": {\"upload\": {\"href\":"
            + " \"http://a b\"}}}]} | an address that is none",
        "/objects/batch | {\"objects\": [{\"oid\": OID, \"actions\": {\"upload\": {\"href\":"
            + " \"http://h/\", \"header\": {\"chunk_size\": \"0\"}}}}]} | chunk size",
        "/objects/batch | {\"objects\": [{\"oid\": OID, \"actions\": {\"upload\": {\"href\":"
            + " \"http://h/\", \"header\": {\"chunk_size\": \"1000\", \"1\": \"http://h/\"}}}}]} |"
            + " names 1 parts of 1000 for a file of 3000 bytes",
        "/commit/ | {\"commitUrl\": \"u\", \"commitOid\": \"../..\"} | names the commit",
        "/commit/ | [] | names the commit"
      })
  void nonsenseIsRefused(String path, String body, String part) {
    String oid = "\"" + ServedCommit.sha256(HubFixture.random(3000)) + "\"";
    hub.server.trap(
        path, 1, exchange -> HubServer.send(exchange, 200, bytes(body.replace("OID", oid))));
    assertReason(Reason.INVALID_ANSWER, part, this::upload);
  }

  @Test
  void theStoreMayRefuseAFile() throws IOException {
    String oid = ServedCommit.sha256(HubFixture.random(3000));
    String answer =
        "{\"objects\": [{\"oid\": \""
            + oid
            + "\", \"error\": {\"code\": 422, \"message\": \"no\"}}]}";
    hub.server.trap("/batch", 1, exchange -> HubServer.send(exchange, 200, bytes(answer)));
    assertReason(Reason.REJECTED, "does not take one.safetensors: no (422)", this::upload);
    // This file's: another one's would let this one be stored, as files go side by side.
    hub.server.trap(
        "PUT /upload/" + oid, 1, exchange -> HubServer.send(exchange, 403, new byte[0]));
    assertReason(Reason.REJECTED, "push again", this::upload);
    HubServer.Answer lost = exchange -> HubServer.send(exchange, 200, new byte[0]);
    hub.server.trap("PUT /upload/" + oid, 1, lost);
    HubException error = assertReason(Reason.REJECTED, "not stored", this::upload);
    put("later.safetensors", HubFixture.random(8001));
    String later = ServedCommit.sha256(HubFixture.random(8001));
    hub.server.trap("PUT /upload/" + later + "/2", 1, lost);
    assertReason(Reason.INVALID_ANSWER, "lacks the ETag of a part", this::upload);
    assertFalse(error.getMessage().contains("signature"), error.getMessage());
    upload();
    assertAllThere();
  }
}
