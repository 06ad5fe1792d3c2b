package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;

/** Files of CorDA and LoRA-GA, and adapters that are saved as plain LoRA. */
@ExtendWith(LedgerCheck.class)
class PreparedFilesTest {
  private PreparedModels data;

  @BeforeEach
  void open() {
    data = new PreparedModels();
  }

  @AfterEach
  void close() {
    data.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"corda/ipm", "loraga/stable"})
  void filesAreKeptAndReadAsInPython(String name, @TempDir Path folder) {
    boolean isCorda = name.startsWith("corda");
    JsonNode facts =
        PreparedModels.facts(isCorda ? "corda" : "loraga").get(isCorda ? "ipm" : "stable");
    String[] files =
        isCorda ? new String[] {"cache.pt", "covariance.pt"} : new String[] {"gradients.pt"};
    for (String file : files) {
      try (CausalLM base = PreparedModels.base(facts)) {
        Path own = folder.resolve("new").resolve(file);
        Path pythons = Goldens.path((isCorda ? "corda/" : "loraga/") + file);
        data.withFile(base, PreparedModels.config(facts), own, true);
        assertTrue(Files.isRegularFile(own), "written");
        Map<String, Tensor> expected = PreparedLayers.read(pythons).orElseThrow();
        Map<String, Tensor> written = PreparedLayers.read(own).orElseThrow();
        assertEquals(expected.keySet(), written.keySet());
        expected.forEach(
            (key, value) ->
                Goldens.assertClose(value.abs(), written.get(key).abs(), 2e-4, file + " " + key));
        data.withFile(base, PreparedModels.config(facts), pythons, false);
        try (PeftModelForCausalLM model = Peft.getPeftModel(base, PreparedModels.config(facts))) {
          assertFalse(model.namedParameters().isEmpty());
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"corda/kpm", "loraga/swapped", "loraga/gpt2"})
  void savedAsPlainLoraItFitsTheBaseAsItWas(String name, @TempDir Path folder) {
    JsonNode facts =
        PreparedModels.facts(name.substring(0, name.indexOf('/')))
            .get(name.substring(name.indexOf('/') + 1));
    float[] trained;
    try (CausalLM base = PreparedModels.base(facts)) {
      data.prepare(base, PreparedModels.config(facts));
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, PreparedModels.config(facts))) {
        model.eval();
        model.savePretrained(folder.resolve("initial"));
        for (Map.Entry<String, Parameter> entry : model.namedParameters().entrySet()) {
          if (entry.getKey().contains("lora_")) {
            entry.getValue().copyFrom(entry.getValue().tensor().detach().add(0.05));
          }
        }
        trained = data.logits(model).toFloats();
        model.savePretrained(
            folder.resolve("plain"),
            o -> o.pathInitialModelForWeightConversion(folder.resolve("initial")));
      }
    }
    try (CausalLM base = PreparedModels.base(facts);
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(base, folder.resolve("plain").toString())) {
      assertArrayEquals(trained, data.logits(model).toFloats(), 2e-4f);
    }
  }
}
