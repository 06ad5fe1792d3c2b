package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.peftjava.peft.PeftModel;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;

/** LoRA on OPT beside the real PEFT: forward, backward, merging, files. */
@ExtendWith(NoLeaks.class)
class GoldenLoraIT {
  /** Compares the logits of the batch padded right and, where recorded, left. */
  private static void assertBothSides(Golden golden, String what, CausalLanguageModel model) {
    double tolerance = golden.tolerance("forward");
    golden.assertLogits(what + ".logits", model, "in", tolerance);
    if (golden.has(what + ".left_logits")) {
      golden.assertLogits(what + ".left_logits", model, "left", tolerance);
    }
  }

  @ParameterizedTest
  @FieldSource("org.peftjava.it.LoraCase#ALL")
  void baseModel(String name) {
    try (TensorScope scope = TensorScope.open(name);
        GradMode off = GradMode.noGrad()) {
      Golden golden = Golden.open(name);
      assertEquals(!name.equals(LoraCase.BFLOAT16), golden.has("base.left_logits"));
      try (CausalLM base = AutoModelForCausalLM.fromPretrained(golden.folder("base"))) {
        assertBothSides(golden, "base", base);
        if (!name.equals(LoraCase.BFLOAT16)) {
          Tensor loss =
              base.forward(golden.input("in").labels(golden.get("in.labels")).build())
                  .loss()
                  .orElseThrow();
          Golden.assertClose(golden.get("base.loss"), loss, golden.tolerance("forward"), "loss");
        }
      }
    }
  }

  @ParameterizedTest
  @FieldSource("org.peftjava.it.LoraCase#ALL")
  void adapterDisabledMergedUnmerged(String name) throws IOException {
    LoraCase.with(
        name,
        (golden, base, model) -> {
          try (GradMode off = GradMode.noGrad()) {
            assertBothSides(golden, "adapter", model);
            try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
              assertBothSides(golden, "disabled", model);
            }
            assertBothSides(golden, "adapter", model);
            model.mergeAdapter();
            assertBothSides(golden, "merged", model);
            model.unmergeAdapter();
            assertBothSides(golden, "unmerged", model);
          }
        });
  }

  @ParameterizedTest
  @FieldSource("org.peftjava.it.LoraCase#ALL")
  void mergedAndUnloaded(String name) throws IOException {
    LoraCase.with(
        name,
        (golden, base, model) -> {
          CausalLM plain = model.mergeAndUnload();
          try (GradMode off = GradMode.noGrad()) {
            assertBothSides(golden, "merged_unloaded", plain);
          }
          double tolerance =
              golden.tolerance(name.equals(LoraCase.BFLOAT16) ? "mergedWeight" : "forward");
          String prefix = "merged.weight.";
          Set<String> expected = new TreeSet<>();
          for (String key : golden.keys()) {
            if (key.startsWith(prefix)) {
              String weight = key.substring(prefix.length());
              expected.add(weight);
              Parameter actual = plain.namedState().get(weight);
              assertEquals(golden.get(key).dtype(), actual.dtype(), weight);
              Golden.assertClose(golden.get(key), actual.tensor(), tolerance, weight);
            }
          }
          Set<String> actual = new TreeSet<>(plain.namedState().keySet());
          if (plain.isTied()) {
            actual.add("lm_head.weight");
          }
          assertEquals(expected, actual);
        });
  }

  @ParameterizedTest
  @FieldSource("org.peftjava.it.LoraCase#ALL")
  void lossAndGradients(String name) throws IOException {
    LoraCase.with(
        name,
        (golden, base, model) -> {
          JsonNode facts = golden.facts();
          assertEquals(
              facts.get("trainableParameters").asLong(), model.trainableParameters().trainable());
          assertEquals(facts.get("allParameters").asLong(), model.trainableParameters().all());
          Tensor loss = LoraCase.loss(golden, model);
          Golden.assertClose(golden.get("adapter.loss"), loss, golden.tolerance("forward"), "loss");
          loss.backward();
          Map<String, Parameter> trainable = LoraCase.trainable(model);
          assertEquals(LoraCase.keysBelow(golden, "param."), new TreeSet<>(trainable.keySet()));
          assertEquals(LoraCase.keysBelow(golden, "grad."), new TreeSet<>(trainable.keySet()));
          double tolerance = golden.tolerance("gradient");
          trainable.forEach(
              (key, parameter) -> {
                assertEquals(golden.get("param." + key).dtype(), parameter.dtype(), key);
                Golden.assertClose(golden.get("param." + key), parameter.tensor(), 0, key);
                Tensor gradient = parameter.tensor().grad().orElseThrow();
                Golden.assertClose(golden.get("grad." + key), gradient, tolerance, key);
              });
          model.zeroGrad();
        });
  }

  @ParameterizedTest
  @FieldSource("org.peftjava.it.LoraCase#ALL")
  void savedFilesArePythons(String name, @TempDir Path saved) throws IOException {
    LoraCase.with(
        name,
        (golden, base, model) -> {
          model.savePretrained(saved);
          String weights = "adapter_model.safetensors";
          assertArrayEquals(
              Files.readAllBytes(golden.folder("adapter").resolve(weights)),
              Files.readAllBytes(saved.resolve(weights)));
          JsonNode expected = config(golden.folder("adapter"));
          JsonNode actual = config(saved);
          assertEquals(
              golden.folder("base").toString(), actual.get("base_model_name_or_path").textValue());
          ((ObjectNode) actual)
              .set("base_model_name_or_path", expected.get("base_model_name_or_path"));
          assertEquals(expected, actual);
        });
  }

  /** The config with its sets, which Python writes in any order, sorted. */
  private static JsonNode config(Path folder) {
    ObjectNode config = (ObjectNode) Golden.json(folder.resolve("adapter_config.json"));
    JsonNode targets = config.get("target_modules");
    if (targets.isArray()) {
      Set<String> sorted = new TreeSet<>();
      targets.forEach(target -> sorted.add(target.textValue()));
      config.putArray("target_modules").removeAll();
      sorted.forEach(config.withArray("target_modules")::add);
    }
    return config;
  }
}
