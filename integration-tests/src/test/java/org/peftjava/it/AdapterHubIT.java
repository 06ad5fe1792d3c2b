package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.AutoPeftModelForCausalLM;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.LoadOptions;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.SequenceClassification;
import org.peftjava.transformers.hub.HubException;
import org.peftjava.transformers.hub.HubOptions;

/** {@code AutoModel...fromPretrained("org/adapter")}: the base model comes with the adapter. */
@ExtendWith(NoLeaks.class)
class AdapterHubIT {
  private static final Map<String, String> BASE = base("org/base");
  private static final Map<String, String> PLAIN = Map.of();

  @TempDir Path cache;

  private ServedFolders hub;
  private TensorScope scope;

  @BeforeEach
  void open() {
    hub = new ServedFolders();
    scope = TensorScope.open("test");
  }

  @AfterEach
  void close() {
    scope.close();
    hub.close();
  }

  private Consumer<LoadOptions.Builder> options(boolean offline) {
    Consumer<HubOptions.Builder> client =
        builder -> builder.endpoint(hub.endpoint()).cacheDir(cache).localFilesOnly(offline);
    return options -> options.hub(client);
  }

  private static Map<String, String> base(String name) {
    return Map.of("base_model_name_or_path", name);
  }

  private void putOpt(String revision, String adapter, Map<String, String> changes)
      throws IOException {
    hub.put("org/adapter", revision, Golden.ROOT.resolve("adapter_mixin/" + adapter), changes);
  }

  private static void assertOpt(String key, CausalLM model) {
    Golden golden = Golden.open("adapter_mixin");
    try (GradMode off = GradMode.noGrad()) {
      golden.assertLogits(key, model, "in", golden.tolerance("forward"));
    }
  }

  @Test
  void theBaseModelThatTheConfigNamesComesToo() throws IOException {
    putOpt("main", "default", BASE);
    hub.put("org/base", "main", AdapterMixinIT.BASE, PLAIN);
    try (CausalLM model = AutoModelForCausalLM.fromPretrained("org/adapter", options(false))) {
      assertOpt("default.logits", model);
      assertEquals(List.of("default"), model.activeAdapters());
      assertEquals(Optional.of("org/base"), model.config().nameOrPath());
    }
    assertEquals(
        List.of(
            "org/adapter@main adapter_config.json",
            "org/adapter@main adapter_model.safetensors",
            "org/adapter@main generation_config.json",
            "org/base@main config.json",
            "org/base@main generation_config.json",
            "org/base@main model.safetensors"),
        List.copyOf(new TreeSet<>(hub.fetched())));
  }

  /** A tokenizer beside the adapter has more tokens than the base model. */
  @Test
  void theAdaptersTokenizerComesWithItAndTheBaseGetsItsTokens() throws IOException {
    Path folder = Golden.ROOT.resolve("resized_adapter");
    hub.put("org/adapter", "main", folder.resolve("adapter"), base("org/base"));
    hub.put("org/base", "main", folder.resolve("base"), PLAIN);
    Consumer<HubOptions.Builder> client =
        builder -> builder.endpoint(hub.endpoint()).cacheDir(cache).localFilesOnly(false);
    try (PeftModelForCausalLM model =
        AutoPeftModelForCausalLM.fromPretrained(
            "org/adapter", o -> o.hub(client).baseOptions(base -> base.hub(client)))) {
      assertEquals(45, model.config().vocabSize());
    }
    assertTrue(hub.fetched().contains("org/adapter@main tokenizer_config.json"));
  }

  @Test
  void withoutTheNetworkTheCacheIsEnough() throws IOException {
    putOpt("main", "default", BASE);
    hub.put("org/base", "main", AdapterMixinIT.BASE, PLAIN);
    AutoModelForCausalLM.fromPretrained("org/adapter", options(false)).close();
    hub.close();
    try (CausalLM model = AutoModelForCausalLM.fromPretrained("org/adapter", options(true))) {
      assertOpt("default.logits", model);
    }
  }

  /** The revision that is asked for is the adapter's. */
  @Test
  void adapterAndBaseModelHaveRevisionsOfTheirOwn() throws IOException {
    putOpt("main", "default", BASE);
    putOpt("v1", "b", Map.of("base_model_name_or_path", "org/base", "revision", "old"));
    hub.put("org/base", "old", AdapterMixinIT.BASE, PLAIN);
    try (CausalLM model =
        AutoModelForCausalLM.fromPretrained(
            "org/adapter", options(false).andThen(options -> options.revision("v1")))) {
      assertOpt("b.logits", model);
    }
    try (CausalLM model = AutoModelForCausalLM.fromPretrained("org/adapter@v1", options(true))) {
      assertOpt("b.logits", model);
    }
    assertTrue(hub.fetched().contains("org/base@old model.safetensors"));
    String message =
        assertThrows(
                HubException.class,
                () -> AutoModelForCausalLM.fromPretrained("org/adapter", options(false)))
            .getMessage();
    assertTrue(message.contains("org/base"), message);
  }

  @Test
  void theBaseModelMayBeAFolder() throws IOException {
    putOpt("main", "b", base(AdapterMixinIT.BASE.toString()));
    try (CausalLM model = AutoModelForCausalLM.fromPretrained("org/adapter", options(false))) {
      assertOpt("b.logits", model);
    }
  }

  @Test
  void whatTheCacheLacksIsNamed() throws IOException {
    putOpt("main", "default", BASE);
    assertThrows(
        HubException.class,
        () -> AutoModelForCausalLM.fromPretrained("org/adapter", options(false)));
    String message =
        assertThrows(
                HubException.class,
                () -> AutoModelForCausalLM.fromPretrained("org/adapter", options(true)))
            .getMessage();
    assertTrue(message.contains("org/base"), message);
  }

  @Test
  void classifiersAndT5() throws IOException {
    Golden bert = Golden.open("bert_lora");
    hub.put("org/judge", "main", bert.folder("adapter"), base("org/bert"));
    hub.put("org/bert", "main", bert.folder("base"), PLAIN);
    try (SequenceClassification model =
            AutoModelForSequenceClassification.fromPretrained("org/judge", options(false));
        GradMode off = GradMode.noGrad()) {
      Tensor logits =
          model
              .forward(bert.input("in").tokenTypeIds(bert.get("in.token_type_ids")).build())
              .logits()
              .orElseThrow();
      Golden.assertClose(bert.get("adapter.logits"), logits, bert.tolerance("forward"), "logits");
    }
    Golden t5 = Golden.open("t5_v10");
    hub.put("org/translator", "main", t5.folder("adapter"), base("org/t5"));
    hub.put("org/t5", "main", t5.folder("model"), PLAIN);
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained("org/translator", options(false));
        GradMode off = GradMode.noGrad()) {
      Tensor logits =
          model
              .forward(t5.input("in").labels(t5.get("in.labels")).outputLogits(true).build())
              .logits()
              .orElseThrow();
      Golden.assertClose(t5.get("adapter.logits"), logits, t5.tolerance("forward"), "logits");
    }
  }
}
