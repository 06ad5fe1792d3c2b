package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.hub.HubException.Reason;

/** Downloads from a hub on this machine, and what they leave in the cache. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HubClientTest {
  @TempDir Path cache;
  private HubFixture hub;

  @BeforeEach
  void start() {
    hub = new HubFixture(cache);
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  @Test
  void theCacheIsLaidOutAsPythonDoes() throws IOException {
    Path folder = hub.download();
    assertEquals(cache.resolve("models--org--model/snapshots/" + hub.commit), folder);
    assertArrayEquals(
        hub.files.get("config.json"), Files.readAllBytes(folder.resolve("config.json")));
    Path weights = folder.resolve("model.safetensors");
    assertArrayEquals(hub.files.get("model.safetensors"), Files.readAllBytes(weights));
    assertEquals(
        Path.of("../../blobs").resolve(hub.blob("model.safetensors").getFileName()),
        Files.readSymbolicLink(weights));
    assertEquals(hub.commit, Files.readString(cache.resolve("models--org--model/refs/main")));
    assertTrue(Files.exists(cache.resolve("CACHEDIR.TAG")));
    assertEquals(List.of("config.json", "model.safetensors"), names(folder));
    assertEquals(2, names(cache.resolve("models--org--model/blobs")).size());
    assertEquals(2, names(cache.resolve(".locks/models--org--model")).size());
  }

  @Test
  void whatIsThereIsNotFetchedAgain() {
    hub.download();
    hub.server.clearLog();
    hub.download();
    assertEquals(List.of("GET /api/models/org/model/revision/main"), hub.server.log());
    hub.server.clearLog();
    hub.files.put("README.md", new byte[] {'x'});
    String next = hub.server.put("org/model", hub.files);
    assertTrue(hub.download().endsWith(next));
    assertFalse(hub.server.log().stream().anyMatch(r -> r.startsWith("GET /cdn")), "same blobs");
    hub.server.clearLog();
    hub.client(hub.options().forceDownload(true).build())
        .snapshotDownload(HubFixture.REPO, HubFixture.FILES);
    assertTrue(hub.server.log().contains(hub.contents("model.safetensors")), "forced");
  }

  @Test
  void filesInFoldersAndOtherRevisionsAreFound() throws IOException {
    RepoId tagged = RepoId.parse("org/model@refs/pr/1");
    Path file = hub.client().hfHubDownload(tagged, "sub folder/notes.txt");
    assertEquals("text", Files.readString(file));
    assertTrue(Files.readSymbolicLink(file).startsWith("../../../blobs"));
    assertEquals(hub.commit, Files.readString(cache.resolve("models--org--model/refs/refs/pr/1")));
    HubOptions revision = hub.options().revision("v1").build();
    hub.client(revision).snapshotDownload(HubFixture.REPO, HubFixture.FILES);
    assertTrue(Files.exists(cache.resolve("models--org--model/refs/v1")));
    RepoId exact = RepoId.parse("org/model@" + hub.commit);
    hub.client().snapshotDownload(exact, HubFixture.FILES);
    assertFalse(Files.exists(cache.resolve("models--org--model/refs/" + hub.commit)));
  }

  @Test
  void shardsOfAnIndexAreFetched() throws IOException {
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("old.bin", HubFixture.random(2000));
    files.put("m-1.safetensors", HubFixture.random(1500));
    files.put("m-2.safetensors", HubFixture.random(1600));
    files.put(
        "model.safetensors.index.json",
        "{\"weight_map\": {\"a\": \"m-1.safetensors\", \"b\": \"m-2.safetensors\", \"c\": \"m-1.safetensors\"}}"
            .getBytes(StandardCharsets.UTF_8));
    hub.server.put("org/model", files);
    assertEquals(
        List.of("m-1.safetensors", "m-2.safetensors", "model.safetensors.index.json"),
        names(hub.download()));
  }

  @Test
  void offlineTheCacheAnswers() {
    HubOptions offline = hub.options().localFilesOnly(true).build();
    assertReason(Reason.LOCAL_ENTRY_NOT_FOUND, "HF_HUB_OFFLINE", () -> download(offline));
    Path folder = hub.download();
    hub.server.clearLog();
    assertEquals(folder, download(offline));
    assertEquals(List.of(), hub.server.log());
    hub.server.close();
    assertEquals(folder, hub.download(), "a hub that cannot be reached");
    assertEquals(List.of(), hub.pauses);
  }

  @Test
  void aRefThatPointsElsewhereIsIgnored() throws IOException {
    hub.download();
    Files.writeString(cache.resolve("models--org--model/refs/main"), "../../../../etc");
    HubOptions offline = hub.options().localFilesOnly(true).build();
    assertReason(Reason.LOCAL_ENTRY_NOT_FOUND, "org/model", () -> download(offline));
  }

  @Test
  void theTokenGoesToTheHubAlone() {
    hub.client(hub.options().token(HubServer.TOKEN).build())
        .snapshotDownload(HubFixture.REPO, HubFixture.FILES);
    for (String request : hub.server.log()) {
      assertEquals(!request.contains("/cdn/"), request.endsWith(" token"), request);
    }
    assertFalse(hub.options().token(HubServer.TOKEN).build().toString().contains("secret"));
  }

  @Test
  void whatIsMissingIsToldApart() {
    assertReason(
        Reason.REPOSITORY_NOT_FOUND,
        "\"org/absent\" is not on " + hub.server.endpoint() + ", or it is private",
        () -> hub.client().snapshotDownload(RepoId.parse("org/absent"), HubFixture.FILES));
    assertReason(
        Reason.REVISION_NOT_FOUND,
        "no revision \"v9\"",
        () -> hub.client().snapshotDownload(RepoId.parse("org/model@v9"), HubFixture.FILES));
    assertReason(
        Reason.ENTRY_NOT_FOUND,
        "no file \"absent.txt\"",
        () -> hub.client().hfHubDownload(HubFixture.REPO, "absent.txt"));
    hub.server.putGated("org/gated", hub.files);
    RepoId gated = RepoId.parse("org/gated");
    assertReason(
        Reason.GATED_REPO,
        "Accept its terms at " + hub.server.endpoint() + "/org/gated",
        () -> hub.client().snapshotDownload(gated, HubFixture.FILES));
    hub.client(hub.options().token(HubServer.TOKEN).build())
        .snapshotDownload(gated, HubFixture.FILES);
    hub.server.trap(
        "revision",
        1,
        exchange -> {
          exchange.getResponseHeaders().set("X-Error-Message", "Invalid credentials in header");
          HubServer.send(exchange, 401, new byte[0]);
        });
    assertReason(
        Reason.UNAUTHORIZED,
        "refuses the token",
        () -> hub.client().snapshotDownload(RepoId.parse("org/absent"), HubFixture.FILES));
  }

  @Test
  void withoutLinksSnapshotsHoldTheFiles() throws IOException {
    HubOptions copies =
        HubOptions.builder(
                new HubEnvironment(
                    Map.of("HF_HUB_DISABLE_SYMLINKS", "1", "HF_ENDPOINT", hub.server.endpoint()),
                    cache))
            .cacheDir(cache)
            .build();
    Path folder = download(copies);
    assertFalse(Files.isSymbolicLink(folder.resolve("config.json")));
    assertFalse(Files.exists(hub.blob("config.json")), "moved, not kept twice");
    hub.server.clearLog();
    assertEquals(folder, download(copies));
    assertEquals(1, hub.server.log().size());
  }

  @Test
  void threadsDownloadAFileOnce() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    List<Future<Path>> results = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      results.add(threads.submit(hub::download));
    }
    for (Future<Path> result : results) {
      assertTrue(Files.exists(result.get().resolve("model.safetensors")));
    }
    threads.shutdown();
    long fetched =
        hub.server.log().stream().filter(hub.contents("model.safetensors")::equals).count();
    assertEquals(1, fetched);
  }

  private Path download(HubOptions options) {
    return hub.client(options).snapshotDownload(HubFixture.REPO, HubFixture.FILES);
  }

  private static void assertReason(Reason reason, String part, Runnable action) {
    HubException error = assertThrows(HubException.class, action::run);
    assertEquals(reason, error.reason(), error.getMessage());
    assertTrue(error.getMessage().contains(part), error.getMessage());
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }
}
