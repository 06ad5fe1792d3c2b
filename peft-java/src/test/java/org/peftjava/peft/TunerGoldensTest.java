package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.CausalLM;

/** Every tuning method against the real PEFT: all folders golden/tuner_*. */
@ExtendWith(LedgerCheck.class)
class TunerGoldensTest {
  private static final String CASES = "org.peftjava.peft.TunerCase#names";

  private static Map<String, Parameter> trained(PeftModel model) {
    Map<String, Parameter> result = new TreeMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  private static Set<String> keysBelow(TunerCase tuner, String prefix) {
    Set<String> result = new TreeSet<>();
    tuner.golden().keySet().stream()
        .filter(key -> key.startsWith(prefix))
        .forEach(key -> result.add(key.substring(prefix.length())));
    return result;
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void parametersLogitsAndGradients(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      double forward = tuner.tolerance("forward");
      TrainableParameters count = model.trainableParameters();
      assertEquals(tuner.facts().get("trainableParameters").asLong(), count.trainable());
      assertEquals(tuner.facts().get("allParameters").asLong(), count.all());
      Map<String, Parameter> trained = trained(model);
      assertEquals(keysBelow(tuner, "param."), trained.keySet());
      trained.forEach(
          (key, value) ->
              Goldens.assertClose(tuner.golden("param." + key), value.tensor(), 0, key));
      Goldens.assertClose(
          tuner.expected("adapter.logits"), tuner.logits(model), forward, "adapter.logits");
      Goldens.assertClose(
          tuner.expected("disabled.logits"),
          model.withoutAdapter(() -> tuner.logits(model)),
          forward,
          "disabled.logits");
      model.train(tuner.measuredInTraining());
      Tensor loss = tuner.loss(model);
      Goldens.assertClose(tuner.golden("adapter.loss"), loss, forward, "loss");
      loss.backward();
      Set<String> withGradient = keysBelow(tuner, "grad.");
      trained.forEach(
          (key, value) -> {
            Optional<Tensor> gradient = value.tensor().grad();
            assertEquals(withGradient.contains(key), gradient.isPresent(), key);
            gradient.ifPresent(
                found ->
                    Goldens.assertClose(
                        tuner.golden("grad." + key), found, tuner.tolerance("gradient"), key));
          });
      model.zeroGrad();
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void threeOptimizerSteps(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      model.train(tuner.measuredInTraining());
      Map<String, Parameter> trained = trained(model);
      double tolerance = tuner.tolerance("afterSteps");
      float[] losses = tuner.golden("train.losses").toFloats();
      JsonNode o = tuner.facts().get("optimizer");
      AdamW.Options options =
          new AdamW.Options(
              o.get("lr").asDouble(),
              o.get("betas").get(0).asDouble(),
              o.get("betas").get(1).asDouble(),
              o.get("eps").asDouble(),
              o.get("weight_decay").asDouble());
      try (AdamW optimizer = new AdamW(trained, options)) {
        for (float expected : losses) {
          try (TensorScope step = TensorScope.openGraph("step")) {
            Tensor loss = tuner.loss(model);
            assertEquals(expected, loss.toDouble(), 2 * tolerance * (1 + expected));
            loss.backward();
          }
          optimizer.step();
          optimizer.zeroGrad();
        }
      }
      List<String> unstable = Goldens.texts(tuner.facts().get("unstableAfterSteps"));
      trained.forEach(
          (key, value) ->
              Goldens.assertClose(
                  tuner.golden("train.after." + key),
                  value.tensor(),
                  unstable.contains(key) ? 0.05 : tolerance,
                  key));
    }
  }

  @ParameterizedTest
  @MethodSource("org.peftjava.peft.TunerCase#mergeable")
  void mergedUnmergedAndUnloaded(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      double tolerance = 4 * tuner.tolerance("forward");
      model.mergeAdapter();
      Goldens.assertClose(
          tuner.expected("merged.logits"), tuner.logits(model), tolerance, "merged.logits");
      model.unmergeAdapter();
      Goldens.assertClose(
          tuner.expected("adapter.logits"), tuner.logits(model), tolerance, "unmerged");
      CausalLM plain = model.mergeAndUnload(options -> options.safeMerge(true));
      Goldens.assertClose(
          tuner.expected("merged.logits"), tuner.logits(plain), tolerance, "unloaded");
      plain
          .namedState()
          .forEach(
              (key, value) ->
                  Goldens.assertClose(
                      tuner.golden("merged.weight." + key), value.tensor(), tolerance, key));
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void greedyTokens(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      assertArrayEquals(
          tuner.rows("gen.ids"),
          model.generate(tuner.prompts(), g -> g.maxNewTokens(6).eosTokenId()).ids());
    }
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void savedFilesArePythons(String name, @TempDir Path folder) throws IOException {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      model.savePretrained(folder);
      assertArrayEquals(
          Files.readAllBytes(tuner.adapter().resolve("adapter_model.safetensors")),
          Files.readAllBytes(folder.resolve("adapter_model.safetensors")));
      Map<String, Object> written = config(folder);
      Map<String, Object> expected = config(tuner.adapter());
      written.put("base_model_name_or_path", expected.get("base_model_name_or_path"));
      assertEquals(expected, written);
    }
  }

  /** The config, with lists that are sets in Python in one order. */
  private static Map<String, Object> config(Path folder) {
    Map<String, Object> result =
        new TreeMap<>(Goldens.map(Goldens.json(folder.resolve("adapter_config.json"))));
    for (String set : List.of("target_modules", "exclude_modules", "feedforward_modules")) {
      result.computeIfPresent(
          set,
          (key, value) ->
              value instanceof List<?> list
                  ? list.stream().map(String::valueOf).sorted().toList()
                  : value);
    }
    return result;
  }
}
