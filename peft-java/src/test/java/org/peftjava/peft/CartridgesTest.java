package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.cartridge.CartridgeConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** Cartridges that begin with a text or a cache, and that are composed: golden/cartridges. */
@ExtendWith(LedgerCheck.class)
class CartridgesTest {
  private static final String TEXT = "the sun rises over the hills and the moon sets over the sea";
  private static final String LLAMA = "llama_lora/base";

  private TensorScope scope;
  private Map<String, Tensor> golden;
  private Tokenizer tokenizer;

  @BeforeEach
  void open() {
    scope = TensorScope.open("test");
    golden = Goldens.tensors("cartridges/io.safetensors");
    tokenizer = AutoTokenizer.fromPretrained(Goldens.path("cartridges/tokenizer"));
  }

  @AfterEach
  void close() {
    tokenizer.close();
    scope.close();
  }

  private static TunerConfig cartridge() {
    return CartridgeConfig.builder().numVirtualTokens(3).build();
  }

  private static CausalLM base(String folder) {
    return AutoModelForCausalLM.fromPretrained(Goldens.path(folder));
  }

  private Tensor logits(PeftModelForCausalLM model) {
    try (GradMode off = GradMode.noGrad()) {
      ModelInput input = ModelInput.builder().inputIds(golden.get("in.input_ids")).build();
      return model.forward(input).logits().orElseThrow();
    }
  }

  private void assertCase(String name, Map<String, Tensor> state, PeftModelForCausalLM model) {
    Goldens.assertClose(
        golden.get(name + ".embeddings"), state.get("prompt_embeddings"), 1e-5, name);
    Goldens.assertClose(golden.get(name + ".logits"), logits(model), 1e-5, name);
  }

  private void fromText(
      String name, String folder, TunerConfig config, Consumer<KvPrefixOptions.Builder> options) {
    try (CausalLM base = base(folder);
        PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
      model.train(true);
      Map<String, Tensor> given =
          Cartridges.initializeKvPrefixFromText(model, tokenizer, TEXT, options);
      assertTrue(model.isTraining(), "the mode is what it was");
      model.eval();
      assertCase(name, given, model);
    }
  }

  @Test
  void beginsWithATextAsInPython() {
    fromText("plain", LLAMA, cartridge(), options -> options.useChatTemplate(false));
    fromText("chat", LLAMA, cartridge(), options -> {});
    fromText("cut", LLAMA, cartridge(), options -> options.maxLength(4).adapterName("default"));
    fromText("plain_cut", LLAMA, cartridge(), o -> o.useChatTemplate(false).maxLength(5));
    TunerConfig prefix = PrefixTuningConfig.builder().numVirtualTokens(3).build();
    fromText("prefix", "opt_embedding/base", prefix, options -> {});
  }

  @Test
  void beginsWithACacheAsInPython() {
    try (CausalLM base = base(LLAMA);
        PeftModelForCausalLM model = Peft.getPeftModel(base, cartridge());
        KvCache cache = base.newCache(7);
        KvCache several = base.newCache(5)) {
      model.eval();
      try (GradMode off = GradMode.noGrad()) {
        base.forward(ModelInput.builder().inputIds(golden.get("cache.ids")).past(cache).build());
        base.forward(
            ModelInput.builder().inputIds(golden.get("in.input_ids")).past(several).build());
      }
      assertCase("cache", Cartridges.initializeKvPrefixFromPastKeyValues(model, cache), model);
      float[] before = logits(model).toFloats();
      refused("2 rows", () -> Cartridges.initializeKvPrefixFromPastKeyValues(model, several));
      refused("holds 7 tokens", () -> Cartridges.promptEmbeddingsFromPastKeyValues(cache, 8));
      refused(
          "holds 2 tokens",
          () ->
              Cartridges.initializeKvPrefixFromText(
                  model, tokenizer, "the sun", o -> o.useChatTemplate(false)));
      refused(
          "\"nobody\"",
          () ->
              Cartridges.initializeKvPrefixFromPastKeyValues(
                  model, cache, o -> o.adapterName("nobody")));
      assertArrayEquals(before, logits(model).toFloats(), "nothing has changed");
    }
  }

  @Test
  void otherAdaptersAreRefused() {
    try (CausalLM base = base(LLAMA);
        KvCache cache = base.newCache(7)) {
      try (PeftModelForCausalLM lora =
          Peft.getPeftModel(base, LoraConfig.builder().targetModules("q_proj").build())) {
        refused("is LORA", () -> Cartridges.initializeKvPrefixFromPastKeyValues(lora, cache));
      }
      TunerConfig projected =
          PrefixTuningConfig.builder().numVirtualTokens(3).prefixProjection(true).build();
      try (PeftModelForCausalLM prefix = Peft.getPeftModel(base, projected)) {
        refused("network", () -> Cartridges.initializeKvPrefixFromText(prefix, tokenizer, TEXT));
      }
    }
  }

  @Test
  void composedFilesArePythons(@TempDir Path folder) throws IOException {
    List<Path> parts = List.of(Goldens.path("cartridges/first"), Goldens.path("cartridges/second"));
    Cartridges.composeCartridgeAdapters(parts, folder);
    Path expected = Goldens.path("cartridges/composed");
    try (TensorScope all = TensorScope.open("compare")) {
      assertArrayEquals(
          Goldens.tensors("cartridges/composed/adapter_model.safetensors")
              .get("prompt_embeddings")
              .toFloats(),
          read(folder).toFloats());
    }
    assertEquals(
        Goldens.map(Goldens.json(expected.resolve("adapter_config.json"))),
        Goldens.map(Goldens.json(folder.resolve("adapter_config.json"))));
    try (CausalLM base = base(LLAMA);
        PeftModelForCausalLM model = PeftModel.fromPretrained(base, folder.toString())) {
      assertEquals(List.of(2L, 5L, 40L), List.of(size(model, 0), size(model, 1), size(model, 2)));
      Path alone = Files.createDirectory(folder.resolve("alone"));
      refused("names 1", () -> Cartridges.composeCartridgeAdapters(parts.subList(0, 1), alone));
      refused(
          "expected CARTRIDGE",
          () ->
              Cartridges.composeCartridgeAdapters(
                  List.of(parts.get(0), Goldens.path("opt_lora/adapter")), alone));
      refused(
          "token_dim",
          () -> {
            Path other = folder.resolve("other");
            try (CausalLM opt = base("opt_embedding/base");
                PeftModelForCausalLM wide =
                    Peft.getPeftModel(opt, cartridge().with("task_type", "CAUSAL_LM"))) {
              wide.savePretrained(other);
            }
            Cartridges.composeCartridgeAdapters(List.of(parts.get(0), other), alone);
          });
      try (var files = Files.list(alone)) {
        assertEquals(0, files.count());
      }
    }
  }

  private long size(PeftModelForCausalLM model, int axis) {
    return logits(model).size(axis);
  }

  private static Tensor read(Path folder) {
    try (var source = Safetensors.open(folder.resolve("adapter_model.safetensors"))) {
      return source.tensor("prompt_embeddings").copy();
    }
  }

  private static void refused(String part, Runnable work) {
    String message = assertThrows(IllegalArgumentException.class, work::run).getMessage();
    assertTrue(message.contains(part), message);
  }
}
