package org.peftjava.peft.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.checkpoint.Safetensors;

/** Keys as Python's key_mapping changes them: golden/state_dicts.json. */
@ExtendWith(LedgerCheck.class)
class KeyMappingTest {
  private static final JsonNode GOLDEN = Goldens.json(Goldens.path("state_dicts.json"));
  private static final Path ADAPTER = Goldens.path("opt_lora/adapter");

  @Test
  void keysAreMappedAsInPython() {
    List<String> keys = Goldens.texts(GOLDEN.path("keys"));
    int rows = 0;
    for (JsonNode row : GOLDEN.path("mappings")) {
      Map<String, String> rules = new LinkedHashMap<>();
      row.path("mapping")
          .fields()
          .forEachRemaining(e -> rules.put(e.getKey(), e.getValue().textValue()));
      List<String> mapped = new ArrayList<>();
      keys.forEach(key -> mapped.add(new KeyMapping(rules).apply(key)));
      assertEquals(Goldens.texts(row.path("result")), mapped, rules::toString);
      rows++;
    }
    assertEquals(6, rows);
  }

  @Test
  void anAdapterOfRenamedLayersLoads(@TempDir Path folder) throws IOException {
    Files.copy(ADAPTER.resolve("adapter_config.json"), folder.resolve("adapter_config.json"));
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_lora/base"))) {
      Map<String, Tensor> renamed = new LinkedHashMap<>();
      Goldens.tensors("opt_lora/adapter/adapter_model.safetensors")
          .forEach(
              (key, value) -> renamed.put(key.replace("model.decoder.layers.", "blocks."), value));
      Safetensors.write(
          folder.resolve("adapter_model.safetensors"), renamed, Map.of("format", "pt"));
      assertThrows(
          RuntimeException.class, () -> PeftModel.fromPretrained(base, folder, options -> {}));
      try (PeftModelForCausalLM model =
          PeftModel.fromPretrained(
              base,
              folder,
              options ->
                  options.keyMapping(Map.of("blocks\\.(\\d)", "model.decoder.layers.\\1")))) {
        Map<String, Tensor> expected =
            Goldens.tensors("opt_lora/adapter/adapter_model.safetensors");
        Map<String, Tensor> state = Peft.getPeftModelStateDict(model);
        assertEquals(expected.keySet(), Map.copyOf(state).keySet());
        expected.forEach((key, value) -> Goldens.assertClose(value, state.get(key), 0, key));
      }
    }
  }

  @Test
  void badRulesAndKeysAreNamed() {
    RuntimeException group =
        assertThrows(IllegalArgumentException.class, () -> new KeyMapping(Map.of("a(b)", "\\2")));
    assertTrue(group.getMessage().contains("group 2"), group.getMessage());
    RuntimeException regex =
        assertThrows(IllegalArgumentException.class, () -> new KeyMapping(Map.of("a(", "b")));
    assertTrue(regex.getMessage().contains("keyMapping \"a(\""), regex.getMessage());
    RuntimeException key =
        assertThrows(
            IllegalArgumentException.class,
            () -> new KeyMapping(Map.of("a", "b")).apply("model.weight"));
    assertTrue(key.getMessage().contains("\"model.weight\""), key.getMessage());
  }
}
