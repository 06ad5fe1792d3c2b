package org.peftjava.peft.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.LoadAdapterOptions;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.hub.HubException;

/** Adapter folders that do not fit: each says why, and leaves the model as it was. */
@ExtendWith(LedgerCheck.class)
class AdapterCheckpointTest {
  private static final Path ADAPTER = Goldens.path("opt_lora/adapter");
  private static final String KEY =
      "base_model.model.model.decoder.layers.0.self_attn.q_proj.lora_A.weight";

  private @TempDir Path folder;
  private TensorScope scope;
  private CausalLM base;
  private Map<String, Tensor> weights;

  @BeforeEach
  void open() throws IOException {
    scope = TensorScope.open("test");
    base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_lora/base"));
    weights = Goldens.tensors("opt_lora/adapter/adapter_model.safetensors");
    Files.copy(ADAPTER.resolve("adapter_config.json"), folder.resolve("adapter_config.json"));
  }

  @AfterEach
  void close() {
    base.close();
    scope.close();
  }

  private void write() {
    Safetensors.write(folder.resolve("adapter_model.safetensors"), weights, Map.of("format", "pt"));
  }

  private String rejected() {
    List<String> before = List.copyOf(base.namedState().keySet());
    RuntimeException error =
        assertThrows(
            RuntimeException.class, () -> PeftModel.fromPretrained(base, folder, options -> {}));
    assertEquals(before, List.copyOf(base.namedState().keySet()));
    return error.getMessage();
  }

  @Test
  void missingKeysAreAnError() {
    weights.remove(KEY);
    write();
    String message = rejected();
    assertTrue(message.contains("does not fit this model: missing " + KEY + "."), message);
    assertTrue(message.endsWith("use the option lenient(true)."), message);
  }

  @Test
  void unexpectedKeysAreAnError() {
    weights.put("base_model.model.lm_head.lora_A.weight", Creation.zeros(DType.FLOAT32, 4, 16));
    write();
    assertTrue(
        rejected().contains("unexpected base_model.model.lm_head.lora_A.weight"), "unexpected");
  }

  @Test
  void lenientLoadingReportsWhatDidNotFit() {
    weights.remove(KEY);
    weights.put("base_model.model.other", Creation.zeros(DType.FLOAT32, 1));
    write();
    Consumer<LoadAdapterOptions.Builder> lenient = options -> options.lenient(true);
    try (PeftModelForCausalLM model = PeftModel.fromPretrained(base, ADAPTER, lenient)) {
      LoadReport report =
          model.loadAdapter(folder, options -> options.lenient(true).adapterName("b"));
      assertEquals(List.of(KEY), report.missing());
      assertEquals(List.of("base_model.model.other"), report.unexpected());
      assertFalse(report.isClean());
    }
  }

  @Test
  void otherShapesAreAnErrorWithBothShapes() {
    weights.put(KEY, Creation.zeros(DType.FLOAT32, 8, 16));
    write();
    assertTrue(rejected().contains(KEY + " is [8, 16] in the file, [4, 16] here"), "shapes");
  }

  @Test
  void keysWithoutThePrefixAreAnError() {
    Map<String, Tensor> bare = new java.util.HashMap<>();
    weights.forEach((key, value) -> bare.put(key.replace("base_model.model.", ""), value));
    weights = bare;
    write();
    String message = rejected();
    assertTrue(message.contains("no key begins with \"base_model.model.\"; the first is"), message);
  }

  @Test
  void missingAndPickledWeightsAreTold() throws IOException {
    assertTrue(rejected().startsWith("There is no adapter_model.safetensors in "), "none");
    Files.write(folder.resolve("adapter_model.bin"), new byte[] {1});
    assertTrue(rejected().contains("not written by torch.save"), "bin");
  }

  /** PEFT saved one adapter in both formats. */
  @Test
  void aPickledAdapterEqualsTheSameOneInSafetensors() {
    Path golden = Goldens.path("torch_files/adapter");
    try (TensorScope scope = TensorScope.open("compare");
        WeightSource pickled = AdapterCheckpoint.open(golden);
        WeightSource plain = AdapterCheckpoint.open(Goldens.path("safetensors/adapter"))) {
      assertEquals(plain.names(), new TreeSet<>(pickled.names()));
      for (String name : plain.names()) {
        assertArrayEquals(plain.tensor(name).toFloats(), pickled.tensor(name).toFloats(), name);
      }
    }
    try (PeftModelForCausalLM model = PeftModel.fromPretrained(base, golden, options -> {})) {
      assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
    }
  }

  /** The layout of huggingface_hub's cache. */
  @Test
  void anAdapterIsFoundInTheHubsCache() throws IOException {
    String commit = "0123456789abcdef0123456789abcdef01234567";
    Path repository = folder.resolve("models--org--adapter");
    Path snapshot = Files.createDirectories(repository.resolve("snapshots").resolve(commit));
    Files.writeString(Files.createDirectories(repository.resolve("refs")).resolve("v1"), commit);
    for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
      Files.copy(ADAPTER.resolve(name), snapshot.resolve(name));
    }
    Consumer<LoadAdapterOptions.Builder> cached =
        options -> options.revision("v1").hub(hub -> hub.cacheDir(folder).localFilesOnly(true));
    try (PeftModelForCausalLM model = PeftModel.fromPretrained(base, "org/adapter", cached)) {
      assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
    }
    assertThrows(
        HubException.class,
        () -> PeftModel.fromPretrained(base, "org/adapter", cached.andThen(o -> o.revision("v2"))));
  }

  @Test
  void anAdapterOfAnotherModelIsToldByItsTargets() throws IOException {
    String config = Files.readString(folder.resolve("adapter_config.json"));
    Files.writeString(
        folder.resolve("adapter_config.json"),
        config.replace("\"q_proj\"", "\"c_attn\"").replace("\"v_proj\"", "\"c_proj\""));
    write();
    assertTrue(rejected().contains("match no module of OPTForCausalLM"), "targets");
  }

  @Test
  void savingOverAFileIsAnError() throws IOException {
    Path file = Files.writeString(folder.resolve("taken"), "x");
    try (PeftModelForCausalLM model = PeftModel.fromPretrained(base, ADAPTER, options -> {})) {
      assertThrows(RuntimeException.class, () -> model.savePretrained(file));
      assertEquals("x", Files.readString(file));
    }
  }
}
