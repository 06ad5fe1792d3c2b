package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.peftjava.transformers.hub.UploadPlan.PlannedFile;

/** Uploads to a hub on this machine, read back as the hub serves them. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HfApiTest extends HubUploadFixture {
  @Test
  void filesOfAllKindsArrive() throws IOException {
    put("config.json", bytes("{\"r\": 4}"));
    put("adapter_model.safetensors", HubFixture.random(3000)); // one request
    put("sub folder/second ü.safetensors", HubFixture.random(9001)); // five parts
    put("copy.safetensors", HubFixture.random(3000));
    put("empty.txt", new byte[0]);
    List<String> heard = new ArrayList<>();
    HfApi api =
        api(
            hub.options()
                .token(HubServer.TOKEN)
                .progress((file, bytes, total) -> heard.add(file + " " + bytes + "/" + total)));
    RepoId repo = api.createRepo(RepoId.parse("org/new"), o -> {});
    hub.server.clearLog();
    CommitInfo info =
        api.uploadFolder(repo, folder, o -> o.commitMessage("First").commitDescription("Why."));
    assertEquals(files, served("org/new", "main", ".gitattributes"));
    ServedCommit commit = hub.server.repository("org/new").commit("main").orElseThrow();
    assertEquals(commit.hash(), info.oid());
    assertEquals("First|Why.", commit.message());
    assertEquals(hub.server.endpoint() + "/org/new/commit/" + commit.hash(), info.commitUrl());
    assertEquals(hub.server.endpoint() + "/org/new", info.repoUrl());
    assertEquals(Optional.empty(), info.prUrl());
    List<String> puts = hub.server.log().stream().filter(r -> r.startsWith("PUT")).toList();
    assertEquals(1 + 5, puts.size(), puts.toString());
    assertFalse(puts.toString().contains("token"), "the store must not see the token");
    assertEquals(
        List.of("adapter_model.safetensors 0/3000", "sub folder/second ü.safetensors 0/9001"),
        heard.stream().filter(text -> text.contains(" 0/")).toList());
    assertTrue(heard.contains("adapter_model.safetensors 3000/3000"), heard.toString());
    assertTrue(heard.contains("sub folder/second ü.safetensors 9001/9001"), heard.toString());

    Path read =
        hub.client().hfHubDownload(RepoId.parse("org/new"), "sub folder/second ü.safetensors");
    assertArrayEquals(HubFixture.random(9001), Files.readAllBytes(read));
  }

  @Test
  void whatIsThereIsNotSentAgain() throws IOException {
    put("a.safetensors", HubFixture.random(2000));
    put("b.txt", bytes("b"));
    CommitInfo first = api().uploadFolder(REPO, folder, o -> {});
    hub.server.clearLog();
    CommitInfo same = api().uploadFolder(REPO, folder, o -> {});
    assertEquals(first.oid(), same.oid());
    assertEquals(first.commitUrl(), same.commitUrl());
    assertFalse(hub.server.log().toString().contains("/commit/"), "no empty commit");
    put("b.txt", bytes("c"));
    put("renamed.safetensors", HubFixture.random(2000));
    CommitInfo next = api().uploadFolder(REPO, folder, o -> {});
    assertNotEquals(first.oid(), next.oid());
    assertFalse(hub.server.log().stream().anyMatch(r -> r.startsWith("PUT")), "same contents");
    assertEquals(files, served("org/model", "main", hub.files.keySet().toArray(new String[0])));
  }

  @Test
  void ignoredFilesAndPatternsAreLeftOut() throws IOException {
    put(".gitignore", bytes("secret.txt\nbig.bin"));
    put("secret.txt", bytes("s"));
    put("big.bin", HubFixture.random(1200));
    put("kept.txt", bytes("k"));
    put("checkpoint-5/optimizer.pt", HubFixture.random(1300));
    put(".git/config", bytes("c"));
    api().uploadFolder(REPO, folder, o -> o.ignorePatterns("checkpoint-*/"));
    assertEquals(List.of(".gitignore", "kept.txt"), newNames());
    api().uploadFolder(REPO, folder, o -> o.allowPatterns("*.pt"));
    assertEquals(List.of(".gitignore", "checkpoint-5/optimizer.pt", "kept.txt"), newNames());
    api()
        .uploadFolder(
            REPO,
            folder,
            o -> o.allowPatterns("kept.txt").deletePatterns("kept*", "*.pt", "*.bin"));
    Map<String, byte[]> left =
        hub.server.repository("org/model").commit("main").orElseThrow().files();
    assertEquals(List.of(".gitignore", "kept.txt"), newNames());
    assertFalse(left.containsKey("old.bin"), "deleted by pattern");
    api()
        .createCommit(
            REPO, List.of(new CommitOperation.Delete("sub folder/")), o -> o.commitMessage("d"));
    assertEquals(
        List.of(),
        served("org/model", "main").keySet().stream()
            .filter(name -> name.startsWith("sub folder"))
            .toList());
  }

  private List<String> newNames() {
    return served("org/model", "main", hub.files.keySet().toArray(new String[0])).keySet().stream()
        .sorted()
        .toList();
  }

  @Test
  void branchesPullRequestsAndParents() throws IOException {
    Path file = put("a.txt", bytes("a"));
    HfApi api = api();
    api.createBranch(REPO, "next/one", o -> o.revision("v1"));
    api.createBranch(REPO, "next/one", o -> o.existOk(true));
    CommitInfo branch =
        api.uploadFile(REPO, "a.txt", file, o -> o.revision("next/one").parentCommit(hub.commit));
    assertEquals(branch.oid(), commit("next/one"));
    assertEquals(hub.commit, commit("main"), "the main branch stays");
    assertEquals("Upload a.txt with peft-java", branch.commitMessage());
    CommitInfo named = api.uploadFile(RepoId.parse("org/model@next/one"), "b.txt", file, o -> {});
    assertEquals(named.oid(), commit("next/one"));

    CommitInfo pr = api.uploadFile(REPO, "a.txt", file, o -> o.createPr(true));
    assertEquals(Optional.of(2), pr.prNum());
    assertEquals(Optional.of("refs/pr/2"), pr.prRevision());
    assertEquals(Optional.of(hub.server.endpoint() + "/org/model/discussions/2"), pr.prUrl());
    assertEquals(hub.commit, commit("main"));
    assertEquals(pr.oid(), commit("refs/pr/2"));
    CommitInfo again =
        api.uploadFile(REPO, "c.txt", file, o -> o.revision("refs/pr/2").commitMessage("more"));
    assertEquals(again.oid(), commit("refs/pr/2"));
  }

  private String commit(String revision) {
    return hub.server.repository("org/model").commit(revision).orElseThrow().hash();
  }

  @Test
  void repositoriesAreCreated() {
    HfApi api = api();
    assertEquals("org/x", api.createRepo(RepoId.parse("org/x"), o -> o.isPrivate(true)).name());
    assertTrue(hub.server.repository("org/x").isPrivate());
    assertEquals("user/y", api.createRepo(RepoId.parse("y"), o -> o.isPrivate(false)).name());
    assertFalse(hub.server.repository("user/y").isPrivate());
    assertEquals(
        "user/y@v2", api.createRepo(RepoId.parse("y@v2"), o -> o.existOk(true)).toString());
    hub.server.put("other/open", hub.files);
    RepoId foreign = RepoId.parse("other/open");
    assertEquals(foreign, api.createRepo(foreign, o -> o.existOk(true)), "no right, but there");
  }

  @Test
  void threadsPushTogether() throws Exception {
    HfApi api = api();
    Path file = put("a.safetensors", HubFixture.random(7777));
    ExecutorService threads = Executors.newFixedThreadPool(4);
    List<Future<CommitInfo>> results = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      String name = "part-" + i + ".safetensors";
      results.add(threads.submit(() -> api.uploadFile(REPO, name, file, o -> {})));
    }
    for (Future<CommitInfo> result : results) {
      result.get();
    }
    threads.shutdown();
    assertEquals(8, newNames().size());
  }

  @Test
  void aPlanAsksNobody() throws IOException {
    put("b/adapter_model.safetensors", HubFixture.random(3000));
    put("a.txt", bytes("a"));
    put("left.out", bytes("x"));
    UploadPlan plan = HfApi.planUpload(REPO, folder, o -> o.ignorePatterns("*.out"));
    assertEquals(
        new UploadPlan(
            REPO,
            List.of(
                new PlannedFile(
                    "a.txt", 1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
                new PlannedFile(
                    "b/adapter_model.safetensors",
                    3000,
                    ServedCommit.sha256(HubFixture.random(3000))))),
        plan);
    assertEquals(3001, plan.size());
    assertEquals(List.of(), hub.server.log());
  }

  @Test
  void badOperationsAreRefusedAtOnce() throws IOException {
    put("README.md", bytes("text"));
    for (String path : List.of("", "../a", "/a", "a//b", ".git/config", "x/.cache/y", "a\\b")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new CommitOperation.Add(path, folder.resolve("README.md")),
          path);
    }
    assertThrows(
        IllegalArgumentException.class, () -> new CommitOperation.Add("a", folder.resolve("no")));
    CommitOperation twice = new CommitOperation.Delete("a");
    assertThrows(
        IllegalArgumentException.class,
        () -> api().createCommit(REPO, List.of(twice, twice), o -> o.commitMessage("m")));
    assertThrows(
        IllegalArgumentException.class, () -> api().createCommit(REPO, List.of(twice), o -> {}));
    assertThrows(
        IllegalArgumentException.class,
        () -> api().uploadFolder(REPO, folder, o -> o.allowPatterns("no-such-file")));
    for (Map.Entry<String, Boolean> each :
        Map.of(
                "*.bin",
                true,
                "a.bi?",
                true,
                "[!b].bin",
                true,
                "[ab].bin",
                true,
                "b*",
                false,
                "a.[!b]in",
                false)
            .entrySet()) {
      assertEquals(
          each.getValue(), FilePatterns.anyMatches(List.of(each.getKey()), "a.bin"), each.getKey());
    }
    assertTrue(FilePatterns.anyMatches(List.of("*.bin", "d/"), "d/e/f"));
    assertEquals(List.of(), hub.server.log());
  }
}
