package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.TakingHub;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.io.ModelCard;

/** {@code peft push}, to a hub on this machine. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PushCommandTest {
  @TempDir Path folder;
  private TakingHub hub;
  private Path adapter;
  private String token = TakingHub.TOKEN;

  @BeforeEach
  void adapter() throws IOException {
    hub = new TakingHub();
    adapter = Files.createDirectories(folder.resolve("adapter"));
    for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
      Files.copy(Goldens.path("opt_lora/adapter").resolve(name), adapter.resolve(name));
    }
    Files.createDirectories(adapter.resolve("checkpoint-5"));
    Files.writeString(adapter.resolve("checkpoint-5/optimizer.pt"), "x");
    Files.writeString(adapter.resolve(".hidden"), "x");
    Files.writeString(adapter.resolve("notes.txt"), "x");
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  private PeftProcess push(Object... more) {
    List<Object> args = new ArrayList<>(List.of("push", "--adapter", adapter));
    args.addAll(Arrays.asList(more));
    if (!args.contains("--repo")) {
      args.addAll(List.of("--repo", "org/adapter"));
    }
    return child(args.toArray());
  }

  private PeftProcess child(Object... args) {
    Map<String, String> environment =
        Map.of(
            "HF_ENDPOINT",
            hub.endpoint(),
            "HF_TOKEN",
            token,
            "HF_HOME",
            folder.resolve("h").toString());
    return PeftProcess.inChild(environment, args);
  }

  private static String ok(PeftProcess result) {
    assertEquals(ExitCode.OK, result.exitCode(), result.err());
    assertEquals("", result.err());
    return result.out().strip();
  }

  @Test
  void anAdapterArrivesWithACard() throws IOException {
    String out = ok(push("--message", "Second try", "--private"));
    String commit = "/org/adapter/commit/0123456789abcdef0123456789abcdef01234567";
    assertEquals("pushed " + adapter + " -> " + hub.endpoint() + commit, out);
    assertEquals(List.of("Second try"), hub.messages);
    assertEquals(
        Set.of("README.md", "adapter_config.json", "adapter_model.safetensors", "notes.txt"),
        new TreeSet<>(hub.files.keySet()));
    assertArrayEquals(
        Files.readAllBytes(adapter.resolve("adapter_model.safetensors")),
        hub.files.get("adapter_model.safetensors"));
    assertTrue(hub.text("README.md").startsWith("---\nbase_model: ''\nlibrary_name: peft\n"));
    assertFalse(Files.exists(adapter.resolve("README.md")), "the folder stays as it was");
    assertFalse(hub.requests.stream().anyMatch(r -> r.contains("/branch/")));
  }

  @Test
  void branchesAndPullRequests() {
    String out = ok(push("--revision", "next", "--create-pr", "--exclude", "notes*"));
    assertTrue(out.endsWith("/org/adapter/discussions/3"), out);
    assertEquals(List.of("Upload model"), hub.messages);
    assertTrue(hub.requests.contains("POST /api/models/org/adapter/branch/next"));
    assertTrue(hub.requests.contains("POST /api/models/org/adapter/commit/next?create_pr=1"));
    assertFalse(hub.files.containsKey("notes.txt"));
  }

  /** What somebody wrote on the hub stays, until the folder's own card has something to say. */
  @Test
  void aCardOnTheHubIsKept() throws IOException {
    hub.files.put(
        "README.md", "---\nlicense: mit\n---\n# By hand\n".getBytes(StandardCharsets.UTF_8));
    ok(push());
    String merged = hub.text("README.md");
    assertTrue(
        merged.startsWith("---\nlicense: mit\nbase_model: ''\nlibrary_name: peft\n"), merged);
    assertTrue(merged.contains("\n---\n# By hand\n### Framework versions\n"), merged);

    ModelCard.of(AdapterConfigJson.read(adapter)).updated(adapter, List.of()).save(adapter);
    ok(push());
    assertEquals(merged, hub.text("README.md"), "a card that nobody wrote into gives way");

    Path card = adapter.resolve("README.md");
    Files.writeString(card, Files.readString(card).replace("## Limits", "Mine.\n\n## Limits"));
    ok(push());
    assertEquals(Files.readString(card), hub.text("README.md"));
  }

  @Test
  void aDryRunAsksNobody() {
    String out = ok(push("--dry-run", "--exclude", "*.json", "--exclude", "notes*"));
    List<String> lines = out.lines().toList();
    assertEquals(3, lines.size(), out);
    assertTrue(lines.get(0).matches("[0-9a-f]{64} +\\d+  README.md"), out);
    assertTrue(lines.get(1).matches("[0-9a-f]{64} +[\\d,]+  adapter_model.safetensors"), out);
    assertTrue(lines.get(2).matches("would upload 2 files, [\\d,]+ bytes, to org/adapter"), out);
    assertEquals(List.of(), hub.requests);
  }

  @Test
  void aModelsFolderIsPushedToo() throws IOException {
    Path model = Files.createDirectories(folder.resolve("model"));
    Files.writeString(model.resolve("config.json"), "{}");
    ok(child("push", "--model", model, "--repo", "org/adapter"));
    assertTrue(
        hub.text("README.md").startsWith("---\nlibrary_name: transformers\ntags: []\n---\n"));
  }

  @Test
  void whatIsWrongHasItsExitCode() throws IOException {
    fails(
        ExitCode.USAGE, "Missing required option: '--repo=ORG/NAME'", "push", "--adapter", adapter);
    fails(ExitCode.USAGE, "--adapter=DIR", "push", "--repo", "a/b");
    fails(
        ExitCode.NO_INPUT,
        "does not exist",
        "push",
        "--adapter",
        folder.resolve("no"),
        "--repo",
        "a/b");
    fails(
        ExitCode.NO_INPUT,
        "has no adapter_config.json",
        "push",
        "--adapter",
        adapter.resolve("checkpoint-5"),
        "--repo",
        "a/b");
    fails(ExitCode.NO_INPUT, "has no config.json", "push", "--model", adapter, "--repo", "a/b");
    fails(push("--repo", "a b"), ExitCode.USAGE, "no name of a repository");
    fails(push("--revision", "a b"), ExitCode.USAGE, "no revision");
    fails(push("--message", " "), ExitCode.USAGE, "commit message is empty");
    fails(push("--exclude", "*"), ExitCode.USAGE, "no files to upload");
    token = "hf_wrong";
    PeftProcess refused = push();
    fails(refused, ExitCode.FAILURE, "does not know the token");
    assertFalse(refused.err().contains("hf_wrong"), refused.err());
    token = "";
    fails(push(), ExitCode.FAILURE, "Set HF_TOKEN");
    Files.writeString(adapter.resolve("README.md"), "---\n- a\n---\n");
    fails(push("--dry-run"), ExitCode.BAD_DATA, "front matter that is no list");
    Files.writeString(adapter.resolve("adapter_config.json"), "[]");
    fails(push(), ExitCode.BAD_DATA, "adapter_config.json");
  }

  private static void fails(int code, String part, Object... args) {
    fails(PeftProcess.run(args), code, part);
  }

  private static void fails(PeftProcess result, int code, String part) {
    assertEquals(code, result.exitCode(), result.err());
    assertTrue(result.err().contains(part), result.err());
    assertEquals("", result.out());
  }
}
