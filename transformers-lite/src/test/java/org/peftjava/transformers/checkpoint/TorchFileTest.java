package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.InvalidFileException;

/** Files that torch.save wrote; see goldens/torch_files.py. */
class TorchFileTest {
  private static final Path FILES = Goldens.folder("torch_files");

  @TempDir Path folder;
  private long liveBefore;
  private TensorScope scope;

  @BeforeEach
  void openScope() {
    liveBefore = TensorLedger.liveTensors();
    scope = TensorScope.open("test");
  }

  @AfterEach
  void nothingLeaks() {
    scope.close();
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  @ParameterizedTest
  @ValueSource(strings = {"zip.bin", "protocol4.bin", "legacy.bin"})
  void everyTensorEqualsPythons(String name) {
    try (WeightSource expected = Safetensors.open(FILES.resolve("expected.safetensors"));
        WeightSource actual = TorchFile.open(FILES.resolve(name))) {
      assertEquals(new TreeSet<>(expected.names()), new TreeSet<>(actual.names()));
      assertEquals(Map.of(), actual.metadata());
      for (String key : expected.names()) {
        assertEquals(expected.dtype(key), actual.dtype(key), key);
        assertEquals(expected.shape(key), actual.shape(key), key);
        Tensor tensor = actual.tensor(key);
        assertTrue(tensor.isContiguous(), key);
        assertEquals(expected.shape(key), tensor.shape(), key);
        assertArrayEquals(expected.tensor(key).toBytes(), tensor.toBytes(), key);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"zip.bin", "legacy.bin"})
  void tensorsOfOneStorageDoNotChangeEachOther(String name) {
    try (WeightSource source = TorchFile.open(FILES.resolve(name))) {
      assertTrue(source.sameElements("embed.weight", "head.weight"));
      assertFalse(source.sameElements("embed.weight", "transposed"));
      Tensor first = source.tensor("embed.weight");
      Tensor second = source.tensor("head.weight");
      float[] before = second.toFloats();
      first.fillInPlace(7);
      assertArrayEquals(before, second.toFloats());
    }
  }

  @Test
  void tensorsOutliveTheirFile() {
    Tensor kept;
    try (WeightSource source = TorchFile.open(FILES.resolve("zip.bin"))) {
      kept = source.tensor("z_float");
      source.close();
      assertThrows(IllegalStateException.class, () -> source.tensor("half"));
    }
    assertEquals(12, kept.toFloats().length);
  }

  /** The same model was saved as safetensors. */
  @Test
  void shardsLoadAsAModel() {
    try (WeightSource shards = Checkpoints.open(FILES.resolve("sharded"));
        WeightSource whole = Checkpoints.open(Goldens.folder("opt_lora/base"))) {
      assertEquals(new TreeSet<>(whole.names()), new TreeSet<>(shards.names()));
      for (String name : whole.names()) {
        assertArrayEquals(whole.tensor(name).toBytes(), shards.tensor(name).toBytes(), name);
      }
    }
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(FILES.resolve("sharded"))) {
      assertTrue(model.isTied());
    }
  }

  @Test
  void safetensorsComeFirst() throws IOException {
    Path base = Goldens.folder("opt_lora/base");
    Files.copy(base.resolve("model.safetensors"), folder.resolve("model.safetensors"));
    Files.writeString(folder.resolve("pytorch_model.bin"), "not read");
    Checkpoints.open(folder).close();
    Files.delete(folder.resolve("model.safetensors"));
    Files.writeString(folder.resolve("pytorch_model.bin.index.json"), "not read");
    assertTrue(rejected(() -> Checkpoints.open(folder)).contains("not written by torch.save"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"evil.bin", "evil_legacy.bin"})
  void aFunctionInTheFileIsNamedAndNotRun(String name) {
    String message = rejected(() -> TorchFile.open(FILES.resolve(name)));
    assertTrue(message.contains("\"__builtin__.eval\"") && message.contains("not run"), message);
  }

  @Test
  void filesThatAreNoStateDictAreExplained() {
    String module = rejected(() -> TorchFile.open(FILES.resolve("module.bin")));
    assertTrue(module.contains("\"torch.nn.modules.linear.Linear\""), module);
    String nested = rejected(() -> TorchFile.open(FILES.resolve("nested.bin")));
    assertTrue(nested.contains("One of its values is a dictionary"), nested);
  }

  private static String rejected(Executable open) {
    return assertThrows(InvalidFileException.class, open).getMessage();
  }
}
