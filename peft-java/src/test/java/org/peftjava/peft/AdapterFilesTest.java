package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.nn.Parameter;

/**
 * Adapters in files of other versions of PEFT, in several folders, trainable or not, and their end:
 * golden/opt_modules_to_save, also as adapter_model.bin.
 */
@ExtendWith(LedgerCheck.class)
class AdapterFilesTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CONFIG = "adapter_config.json";
  private static final String WEIGHTS = "adapter_model.safetensors";
  private static final String COPY = "base_model.model.lm_head.modules_to_save.default.weight";

  private @TempDir Path folder;
  private TunerCase tuner;

  @BeforeEach
  void open() {
    tuner = new TunerCase("opt_modules_to_save");
  }

  @AfterEach
  void close() {
    tuner.close();
  }

  private PeftModelForCausalLM load(Path path, Consumer<LoadAdapterOptions.Builder> options) {
    PeftModelForCausalLM model = PeftModel.fromPretrained(tuner.base(), path, options);
    model.eval();
    return model;
  }

  private void assertPythons(PeftModelForCausalLM model) {
    Goldens.assertClose(
        tuner.expected("adapter.logits"),
        tuner.logits(model),
        tuner.tolerance("forward"),
        "logits");
  }

  private static Set<String> trained(PeftModel model) {
    return model.namedParameters().entrySet().stream()
        .filter(entry -> entry.getValue().requiresGrad())
        .map(entry -> entry.getKey())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** The adapter with another config. */
  private Path with(Consumer<ObjectNode> change) throws IOException {
    ObjectNode config = Goldens.json(tuner.adapter().resolve(CONFIG)).deepCopy();
    change.accept(config);
    Files.writeString(folder.resolve(CONFIG), JSON.writeValueAsString(config));
    Files.copy(tuner.adapter().resolve(WEIGHTS), folder.resolve(WEIGHTS));
    return folder;
  }

  @Test
  void aPickledAdapterWithAFullCopyIsReadAndSavedAsSafetensors() throws IOException {
    try (PeftModelForCausalLM model =
        load(Goldens.path("torch_files/modules_to_save"), options -> {})) {
      assertPythons(model);
      model.savePretrained(folder);
      assertArrayEquals(
          Files.readAllBytes(tuner.adapter().resolve(WEIGHTS)),
          Files.readAllBytes(folder.resolve(WEIGHTS)));
      assertFalse(Files.exists(folder.resolve("adapter_model.bin")));
    }
  }

  @Test
  void aConfigOfTheFirstVersionsIsCompleted() throws IOException {
    Path old =
        with(
            config ->
                config.retain(
                    "base_model_name_or_path",
                    "bias",
                    "fan_in_fan_out",
                    "inference_mode",
                    "lora_alpha",
                    "modules_to_save",
                    "peft_type",
                    "r",
                    "target_modules",
                    "task_type"));
    try (PeftModelForCausalLM model = load(old, options -> {})) {
      assertPythons(model);
      model.savePretrained(folder.resolve("again"));
    }
    JsonNode again = Goldens.json(folder.resolve("again").resolve(CONFIG));
    JsonNode now = Goldens.json(tuner.adapter().resolve(CONFIG));
    Set<String> missing = new TreeSet<>();
    now.fieldNames().forEachRemaining(missing::add);
    again.fieldNames().forEachRemaining(missing::remove);
    assertEquals(Set.of(), missing, "all of today's fields");
    assertEquals(now.get("init_lora_weights"), again.get("init_lora_weights"));
    assertEquals(now.get("use_rslora"), again.get("use_rslora"));
  }

  @Test
  void whatALaterVersionWroteIsKept() throws IOException {
    Path later =
        with(
            config -> {
              config.put("peft_version", "9.9.0");
              config.putObject("telepathy_config").put("range", 3);
              config.putArray("minds").add("a").addNull();
            });
    try (PeftModelForCausalLM model = load(later, options -> {})) {
      assertPythons(model);
      model.savePretrained(folder.resolve("again"));
    }
    JsonNode again = Goldens.json(folder.resolve("again").resolve(CONFIG));
    assertEquals("{\"range\":3}", again.get("telepathy_config").toString());
    assertEquals("[\"a\",null]", again.get("minds").toString());
  }

  @Test
  void isTrainableTrainsTheAdapterAndItsCopiesAlone() {
    try (PeftModelForCausalLM model = load(tuner.adapter(), options -> {})) {
      assertEquals(Set.of(), trained(model));
      assertTrue(model.peftConfig().get("default").inferenceMode());
      model.setAdapter("default");
      assertEquals(tuner.facts().get("trainableParameters").asLong(), count(model));
    }
    try (PeftModelForCausalLM model = load(tuner.adapter(), options -> options.isTrainable(true))) {
      assertTrue(trained(model).contains(COPY));
      assertEquals(tuner.facts().get("trainableParameters").asLong(), count(model));
      assertFalse(model.peftConfig().get("default").inferenceMode());
      model.loadAdapter(tuner.adapter(), options -> options.adapterName("frozen"));
      model.setAdapter(List.of("frozen"), true);
      assertEquals(Set.of(), trained(model));
      model.setAdapter(List.of("default"), false);
      assertEquals(tuner.facts().get("trainableParameters").asLong(), count(model));
    }
  }

  private static long count(PeftModel model) {
    return model.trainableParameters().trainable();
  }

  @Test
  void selectedAdaptersGoToFoldersOfTheirNames() throws IOException {
    try (PeftModelForCausalLM model = load(tuner.adapter(), options -> {})) {
      model.loadAdapter(tuner.adapter(), options -> options.adapterName("b"));
      model.loadAdapter(tuner.adapter(), options -> options.adapterName("c"));
      model.savePretrained(folder, options -> options.selectedAdapters("b", "default"));
      assertFalse(Files.exists(folder.resolve("c")));
      for (String name : List.of(WEIGHTS, "b/" + WEIGHTS)) {
        assertArrayEquals(
            Files.readAllBytes(tuner.adapter().resolve(WEIGHTS)),
            Files.readAllBytes(folder.resolve(name)),
            name);
      }
      assertThrows(
          IllegalArgumentException.class,
          () ->
              model.savePretrained(
                  folder.resolve("none"), options -> options.selectedAdapters("b", "nope")));
      assertFalse(Files.exists(folder.resolve("none")), "nothing is written");
    }
    try (PeftModelForCausalLM second = load(folder.resolve("b"), o -> o.adapterName("x"))) {
      assertPythons(second);
      assertEquals(List.of("x"), second.activeAdapters());
    }
  }

  @Test
  void anAdapterIsNotSavedOutsideTheFolder() {
    Path outside = folder.resolve("outside").toAbsolutePath();
    try (PeftModelForCausalLM model = load(tuner.adapter(), options -> {})) {
      String name = outside.toString().replace('.', '_');
      model.addAdapter(name, TinyOpt.QV);
      Path inside = folder.resolve("inside");
      String message =
          assertThrows(IllegalArgumentException.class, () -> model.savePretrained(inside))
              .getMessage();
      assertTrue(message.contains("would be outside"), message);
      assertFalse(Files.exists(Path.of(name)));
      assertFalse(Files.exists(inside), "nothing is written");
      assertThrows(
          IllegalArgumentException.class, () -> model.addAdapter("../up", TinyOpt.QV), "dots");
    }
  }

  @Test
  void deletingTheLastAdapterLeavesTheBaseAlone() {
    float[] plain = tuner.logits(tuner.base()).toFloats();
    try (PeftModelForCausalLM model = load(tuner.adapter(), o -> o.isTrainable(true))) {
      model.deleteAdapter("default");
      assertEquals(List.of(), model.activeAdapters());
      assertEquals(Set.of(), model.peftConfig().keySet());
      assertArrayEquals(plain, tuner.logits(model).toFloats());
      assertEquals(0, count(model));
      assertThrows(IllegalArgumentException.class, () -> model.deleteAdapter("default"));
      model.loadAdapter(tuner.adapter(), options -> options.adapterName("default"));
      assertEquals(List.of("default"), model.activeAdapters());
      assertPythons(model);
    }
    assertArrayEquals(plain, tuner.logits(tuner.base()).toFloats());
  }

  @Test
  void deletingOneOfTwoThatActLeavesTheOther() {
    try (PeftModelForCausalLM model = load(tuner.adapter(), o -> o.isTrainable(true))) {
      model.addAdapter("b", TinyOpt.QV);
      model.setAdapter("b", "default");
      model.deleteAdapter("b");
      assertEquals(List.of("default"), model.activeAdapters());
      assertPythons(model);
      assertEquals(tuner.facts().get("trainableParameters").asLong(), count(model));
      for (Parameter parameter : model.namedParameters().values()) {
        assertTrue(parameter.numel() > 0);
      }
      assertTrue(model.namedParameters().keySet().stream().noneMatch(key -> key.contains(".b.")));
    }
  }
}
