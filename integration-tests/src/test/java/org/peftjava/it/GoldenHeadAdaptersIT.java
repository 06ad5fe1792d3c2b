package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForTask;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;

/**
 * Adapters over the classifiers of each architecture beside the real PEFT, with the targets that it
 * takes for the architecture: all folders golden/adapter_* of head_adapters.py.
 */
@ExtendWith(NoLeaks.class)
class GoldenHeadAdaptersIT {
  static List<String> names() throws IOException {
    try (Stream<Path> folders = Files.list(Golden.ROOT)) {
      List<String> names =
          folders
              .map(folder -> folder.getFileName().toString())
              .filter(name -> name.startsWith("adapter_") && !name.equals("adapter_mixin"))
              .sorted()
              .toList();
      assertTrue(names.size() >= 4, names::toString);
      return names;
    }
  }

  private static PretrainedModel base(Golden golden) {
    String folder = golden.facts().get("base").textValue();
    return TaskModels.base(task(golden), Golden.ROOT.resolve(folder));
  }

  private static String task(Golden golden) {
    return config(golden.folder("adapter")).get("task_type").textValue();
  }

  /** The config, with targets in the order of their names: in Python they are a set. */
  private static ObjectNode config(Path folder) {
    ObjectNode config = (ObjectNode) Golden.json(folder.resolve("adapter_config.json"));
    TreeSet<String> targets = new TreeSet<>();
    config.get("target_modules").forEach(target -> targets.add(target.textValue()));
    ArrayNode sorted = config.putArray("target_modules");
    targets.forEach(sorted::add);
    return config;
  }

  private static ModelInput.Builder input(Golden golden) {
    return golden.input("in").tokenTypeIds(golden.find("in.token_type_ids"));
  }

  private static void assertLogits(Golden golden, String key, PretrainedModel model) {
    try (GradMode off = GradMode.noGrad()) {
      Tensor logits = model.forward(input(golden).build()).logits().orElseThrow();
      Golden.assertClose(golden.get(key), logits, golden.tolerance("forward"), key);
    }
  }

  private static Tensor loss(Golden golden, PretrainedModel model) {
    ModelInput labelled = input(golden).labels(golden.get("in.labels")).build();
    return model.forward(labelled).loss().orElseThrow();
  }

  @ParameterizedTest
  @MethodSource("names")
  void outputsGradientsStepsAndMerging(String name) {
    try (TensorScope scope = TensorScope.openGraph(name)) {
      Golden golden = Golden.open(name);
      try (PretrainedModel base = base(golden);
          PeftModel model = TaskModels.loaded(base, golden.folder("adapter"), true)) {
        PeftModelForTask running = (PeftModelForTask) model;
        running.eval();
        JsonNode facts = golden.facts();
        assertEquals(
            facts.get("trainableParameters").asLong(), model.trainableParameters().trainable());
        assertEquals(facts.get("allParameters").asLong(), model.trainableParameters().all());
        assertLogits(golden, "adapter.logits", running);
        try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
          assertLogits(golden, "base.logits", running);
        }
        Tensor loss = loss(golden, running);
        Golden.assertClose(golden.get("adapter.loss"), loss, golden.tolerance("forward"), "loss");
        loss.backward();
        var trained = LoraCase.trainable(model);
        assertEquals(LoraCase.keysBelow(golden, "grad."), new TreeSet<>(trained.keySet()));
        trained.forEach(
            (key, parameter) -> {
              Golden.assertClose(golden.get("param." + key), parameter.tensor(), 0, key);
              Golden.assertClose(
                  golden.get("grad." + key),
                  parameter.tensor().grad().orElseThrow(),
                  golden.tolerance("gradient"),
                  key);
            });
        running.module().zeroGrad();
        model.mergeAdapter();
        assertLogits(golden, "merged.logits", running);
        model.unmergeAdapter();
        GoldenSteps.check(golden, trained, () -> loss(golden, running));
      }
    }
  }

  /** A new adapter of this config has Python's targets and keys, and the files are the same. */
  @ParameterizedTest
  @MethodSource("names")
  void targetsAndFilesArePythons(String name, @TempDir Path saved) throws IOException {
    try (TensorScope scope = TensorScope.open(name)) {
      Golden golden = Golden.open(name);
      Path python = golden.folder("adapter");
      ObjectNode expected = config(python);
      TunerConfig given = PeftConfig.fromPretrained(python).with("inference_mode", false);
      List<String> classDefaults = List.of("target_modules", "feedforward_modules");
      TunerConfig defaults = given;
      for (String key : classDefaults) {
        if (expected.has(key) && !name.endsWith("_loha")) {
          defaults = defaults.with(key, null);
        }
      }
      try (PretrainedModel base = base(golden);
          PeftModel fresh = TaskModels.adapted(base, defaults)) {
        assertEquals(
            LoraCase.keysBelow(golden, "param."),
            new TreeSet<>(LoraCase.trainable(fresh).keySet()));
      }
      try (PretrainedModel base = base(golden);
          PeftModel model = TaskModels.loaded(base, python, true)) {
        model.savePretrained(saved);
      }
      String weights = "adapter_model.safetensors";
      assertArrayEquals(
          Files.readAllBytes(python.resolve(weights)), Files.readAllBytes(saved.resolve(weights)));
      ObjectNode actual = config(saved);
      actual.remove("base_model_name_or_path");
      expected.remove("base_model_name_or_path");
      assertEquals(expected, actual);
    }
  }
}
