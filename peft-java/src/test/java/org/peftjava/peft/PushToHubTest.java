package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.hub.CommitInfo;
import org.peftjava.transformers.hub.HubException;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.hub.UploadPlan.PlannedFile;

/** Pushing two adapters of one model. */
@ExtendWith(LedgerCheck.class)
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PushToHubTest {
  private static final Path CASE = Goldens.path("two_adapters");

  @TempDir Path folder;

  private void withModel(Consumer<PeftModelForCausalLM> work) {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(CASE.resolve("base"));
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(base, CASE.resolve("adapter"), options -> {})) {
      model.loadAdapter(CASE.resolve("adapter/b"), options -> options.adapterName("b"));
      work.accept(model);
    }
  }

  private static Consumer<PushOptions.Builder> to(TakingHub hub) {
    return options ->
        options.hub(to -> to.endpoint(hub.endpoint()).token(TakingHub.TOKEN).localFilesOnly(false));
  }

  @Test
  void allAdaptersArriveAndTheCardIsKept() {
    try (TakingHub hub = new TakingHub()) {
      hub.files.put(
          "README.md",
          "---\nlicense: mit\ntags:\n- mine\n---\n# By hand\n".getBytes(StandardCharsets.UTF_8));
      withModel(
          model -> {
            CommitInfo info = model.pushToHub("org/adapter", to(hub).andThen(o -> o.tags("new")));
            assertTrue(info.commitUrl().endsWith("/commit/" + info.oid()), info.commitUrl());
            model.savePretrained(folder);
          });
      assertEquals(List.of("Upload model"), hub.messages);
      assertEquals(
          Set.of(
              "README.md",
              "adapter_config.json",
              "adapter_model.safetensors",
              "b/adapter_config.json",
              "b/adapter_model.safetensors"),
          new TreeSet<>(hub.files.keySet()));
      assertEquals(saved("b/adapter_model.safetensors"), hub.text("b/adapter_model.safetensors"));
      assertTrue(
          hub.text("README.md").startsWith("---\nlicense: mit\ntags:\n- base_model:adapter:"),
          hub.text("README.md"));
      assertTrue(
          hub.text("README.md").contains("\n- lora\n- mine\n- new\n- transformers\nbase_model: "),
          hub.text("README.md"));
      assertTrue(hub.text("README.md").contains("\n# By hand\n### Framework versions\n"));
    }
  }

  private String saved(String name) {
    try {
      return new String(Files.readAllBytes(folder.resolve(name)), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aPlanNamesTheSameFiles() {
    withModel(
        model -> {
          List<PlannedFile> files = model.planPush("org/adapter", o -> {}).files();
          model.savePretrained(folder);
          assertEquals(5, files.size());
          PlannedFile card = files.get(0);
          assertEquals("README.md", card.pathInRepo());
          assertEquals(folder.resolve("README.md").toFile().length(), card.size());
          assertEquals(64, Objects.requireNonNull(card.sha256()).length());
        });
  }

  @Test
  void aRefusalLeavesTheModelAsItWas() {
    try (TakingHub hub = new TakingHub()) {
      withModel(
          model -> {
            Consumer<PushOptions.Builder> wrong = to(hub).andThen(o -> o.token("hf_wrong"));
            HubException error =
                assertThrows(HubException.class, () -> model.pushToHub("org/adapter", wrong));
            assertEquals(HubException.Reason.UNAUTHORIZED, error.reason());
            assertThrows(IllegalArgumentException.class, () -> model.pushToHub("a--b", to(hub)));
            assertEquals(List.of("default"), model.activeAdapters());
          });
      assertEquals(List.of(), hub.messages);
    }
  }

  /** The card is read before any weights are written. */
  @Test
  void aCardThatCannotBeReadStopsTheSaveAtOnce() throws IOException {
    Files.writeString(folder.resolve("README.md"), "---\n- a\n---\n");
    withModel(
        model -> assertThrows(InvalidFileException.class, () -> model.savePretrained(folder)));
    assertEquals(1, Objects.requireNonNull(folder.toFile().list()).length);
  }
}
