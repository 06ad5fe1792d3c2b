package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.TensorLedger;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.hub.HubException.Reason;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** Models and tokenizers on their way to a repository and back. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HubPushTest extends HubUploadFixture {
  /** Something small to push. */
  private static final class Notes implements PushToHubMixin {
    @Override
    public void saveForHub(Path folder, PushOptions options) {
      try {
        Path card = folder.resolve("README.md");
        String before = Files.exists(card) ? Files.readString(card) : "";
        Files.writeString(card, before + "more\n");
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }

    @Override
    public String hubName() {
      return "notes";
    }
  }

  private Consumer<PushOptions.Builder> here() {
    return options ->
        options.hub(
            to ->
                to.endpoint(hub.server.endpoint())
                    .token(HubServer.TOKEN)
                    .cacheDir(cache)
                    .localFilesOnly(false));
  }

  private String text(String repository, String revision, String file) {
    ServedCommit commit = hub.server.repository(repository).commit(revision).orElseThrow();
    return new String(commit.files().getOrDefault(file, new byte[0]), StandardCharsets.UTF_8);
  }

  @Test
  void theCardThatIsThereIsFetchedFirst() {
    new Notes().pushToHub("org/model@next", here());
    assertEquals("more\n", text("org/model", "next", "README.md"));
    assertEquals("", text("org/model", "main", "README.md"));
    new Notes().pushToHub("org/model", here().andThen(o -> o.revision("next")));
    assertEquals("more\nmore\n", text("org/model", "next", "README.md"));
    CommitInfo pr = new Notes().pushToHub("org/model", here().andThen(o -> o.createPr(true)));
    assertEquals("more\n", text("org/model", pr.prRevision().orElseThrow(), "README.md"));
    assertEquals("Upload notes", pr.commitMessage());
    new Notes().pushToHub("org/model", here().andThen(o -> o.revision("refs/pr/2")));
    assertEquals("more\nmore\n", text("org/model", "refs/pr/2", "README.md"));
    assertFalse(Files.exists(cache.resolve("models--org--model")), "not from the cache");
  }

  @Test
  void aNewRepositoryIsPrivateIfWanted() {
    new Notes().pushToHub("mine", here().andThen(o -> o.isPrivate(true).commitMessage("Hi")));
    assertTrue(hub.server.repository("user/mine").isPrivate());
    assertEquals("more\n", text("user/mine", "main", "README.md"));
    assertEquals("Hi|", hub.server.repository("user/mine").commit("main").orElseThrow().message());
  }

  @Test
  void modelsAndTokenizersGoIntoOneRepository() throws IOException {
    long before = TensorLedger.liveTensors();
    Path tokenizerFolder = Goldens.folder("tokenizer/fast");
    try (CausalLM model =
            AutoModelForCausalLM.fromPretrained(Goldens.folder("torch_files/sharded"));
        Tokenizer tokenizer = AutoTokenizer.fromPretrained(tokenizerFolder)) {
      CommitInfo info =
          model.pushToHub(
              "org/copy", here().andThen(o -> o.maxShardSize("8KB").tags("zebra", "apple")));
      assertEquals("Upload OPTForCausalLM", info.commitMessage());
      String card = text("org/copy", "main", "README.md");
      assertTrue(
          card.startsWith("---\nlibrary_name: transformers\ntags:\n- zebra\n- apple\n---\n"), card);
      assertEquals("Upload tokenizer", tokenizer.pushToHub("org/copy", here()).commitMessage());
      assertEquals(card, text("org/copy", "main", "README.md"), "the card stays");
      assertEquals(
          tokenizer.planPush("org/copy", o -> {}).files().stream()
              .map(UploadPlan.PlannedFile::pathInRepo)
              .toList(),
          List.of("README.md", "tokenizer.json", "tokenizer_config.json"));
      Map<String, ByteText> served = served("org/copy", "main");
      assertTrue(served.keySet().stream().filter(n -> n.endsWith(".safetensors")).count() > 1);
      try (CausalLM read =
              AutoModelForCausalLM.fromPretrained("org/copy", o -> o.hub(to -> hubOptions(to)));
          Tokenizer back =
              AutoTokenizer.fromPretrained("org/copy", o -> o.hub(to -> hubOptions(to)))) {
        assertArrayEquals(tokenizer.encodeIds("a text"), back.encodeIds("a text"));
        Path again = Files.createDirectories(folder.resolve("again"));
        Path first = Files.createDirectories(folder.resolve("first"));
        model.savePretrained(first);
        read.savePretrained(again);
        assertEquals(
            -1,
            Files.mismatch(first.resolve("model.safetensors"), again.resolve("model.safetensors")));
      }
    }
    assertEquals(before, TensorLedger.liveTensors());
  }

  private void hubOptions(HubOptions.Builder to) {
    to.endpoint(hub.server.endpoint()).cacheDir(cache).localFilesOnly(false);
  }

  /** Who may only read can still make a pull request, if the branch is there. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aBranchThatMayNotBeMade(boolean createPr) {
    hub.server.trap("/branch/", 1, exchange -> HubServer.send(exchange, 403, new byte[0]));
    Runnable push =
        () -> new Notes().pushToHub("org/model@absent", here().andThen(o -> o.createPr(createPr)));
    assertReason(createPr ? Reason.REVISION_NOT_FOUND : Reason.UNAUTHORIZED, "absent", push);
  }

  @Test
  void temporaryFilesGo() throws IOException {
    List<String> before = temporary();
    new Notes().pushToHub("org/model", here());
    new Notes().planPush("org/model", o -> {});
    hub.server.trap("/commit/", 1, exchange -> HubServer.send(exchange, 422, new byte[0]));
    assertReason(Reason.REJECTED, "HTTP 422", () -> new Notes().pushToHub("org/model@v1", here()));
    assertEquals(before, temporary());
  }

  private static List<String> temporary() throws IOException {
    try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      return files
          .map(Path::toString)
          .filter(name -> name.contains("peft-java-"))
          .sorted()
          .toList();
    }
  }
}
