package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * One folder of golden data: what the real PEFT computed, and comparison with it. The tensors
 * belong to the scope in which the folder was opened.
 */
final class Golden {
  /** Where all golden data is; tests run in the module's folder. */
  static final Path ROOT = Path.of("src/test/resources/golden");

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path folder;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  private Golden(Path folder) {
    this.folder = folder;
  }

  static Golden open(String name) {
    Golden golden = new Golden(ROOT.resolve(name));
    golden.tensors.putAll(tensors(golden.folder.resolve("io.safetensors")));
    return golden;
  }

  /** All tensors of a file, by name, on the default device; owned by the current scope. */
  static Map<String, Tensor> tensors(Path file) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    try (WeightSource source = Safetensors.open(file)) {
      source.names().forEach(key -> result.put(key, source.tensor(key).to(Device.defaultDevice())));
    }
    return result;
  }

  static JsonNode json(Path file) {
    try {
      return JSON.readTree(file.toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static JsonNode parsed(String text) {
    try {
      return JSON.readTree(text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path folder(String part) {
    return folder.resolve(part);
  }

  JsonNode facts() {
    return json(folder.resolve("case.json"));
  }

  double tolerance(String kind) {
    JsonNode value = facts().path("tolerances").path(kind);
    assertEquals(true, value.isNumber(), () -> folder + " has no tolerance " + kind);
    return value.asDouble();
  }

  boolean has(String key) {
    return tensors.containsKey(key);
  }

  Set<String> keys() {
    return tensors.keySet();
  }

  Tensor get(String key) {
    Tensor tensor = tensors.get(key);
    assertNotNull(tensor, () -> folder + " has no tensor " + key);
    return tensor;
  }

  /** A tensor that not every case has. */
  @Nullable Tensor find(String key) {
    return tensors.get(key);
  }

  /** A matrix of ids. */
  long[][] rows(String key) {
    Tensor tensor = get(key);
    int columns = (int) tensor.size(1);
    long[] all = tensor.toLongs();
    long[][] rows = new long[(int) tensor.size(0)][columns];
    for (int i = 0; i < all.length; i++) {
      rows[i / columns][i % columns] = all[i];
    }
    return rows;
  }

  /** The batch that is padded on the right ("in") or on the left ("left"). */
  ModelInput.Builder input(String side) {
    return ModelInput.builder()
        .inputIds(get(side + ".input_ids"))
        .attentionMask(get(side + ".attention_mask"));
  }

  /** Compares a model's logits where the attention mask is 1. */
  void assertLogits(String key, CausalLanguageModel model, String side, double tolerance) {
    Tensor actual = model.forward(input(side).build()).logits().orElseThrow();
    assertEquals(get(key).dtype(), actual.dtype(), key);
    Tensor padding = get(side + ".attention_mask").eq(0).unsqueeze(-1);
    assertClose(get(key).maskedFill(padding, 0), actual.maskedFill(padding, 0), tolerance, key);
  }

  /** Fails unless the shapes agree and {@code |a - e| <= tolerance * (1 + |e|)} everywhere. */
  static void assertClose(Tensor expected, Tensor actual, double tolerance, String what) {
    assertEquals(expected.shape(), actual.shape(), what);
    float[] e = expected.toFloats();
    float[] a = actual.toFloats();
    for (int i = 0; i < e.length; i++) {
      if (!(Math.abs(a[i] - e[i]) <= tolerance * (1 + Math.abs(e[i])))) {
        fail(what + ": element " + i + " should be " + e[i] + ", is " + a[i]);
      }
    }
  }
}
