package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.AdapterConfig;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** Adapters on a plain model beside transformers: added, switched, trained, saved, removed. */
@ExtendWith(NoLeaks.class)
class AdapterMixinIT {
  static final Path BASE = Golden.ROOT.resolve("opt_lora/base");
  private static final List<String> ADAPTERS = List.of("default", "b");
  private static final String WEIGHTS = "adapter_model.safetensors";

  private TensorScope scope;
  private Golden golden;
  private CausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Golden.open("adapter_mixin");
    model = AutoModelForCausalLM.fromPretrained(BASE);
  }

  @AfterEach
  void close() {
    model.close();
    scope.close();
  }

  private void load(String name) {
    model.loadAdapter(
        golden.folder(name).toString(), options -> options.adapterName(name).isTrainable(true));
  }

  private void assertLogits(String key) {
    try (GradMode off = GradMode.noGrad()) {
      golden.assertLogits(key, model, "in", golden.tolerance("forward"));
    }
  }

  private static Set<String> names(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false)
        .map(JsonNode::textValue)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private Map<String, Parameter> trained() {
    return model.namedParameters().entrySet().stream()
        .filter(entry -> entry.getValue().requiresGrad())
        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
  }

  private Tensor loss() {
    return model
        .forward(golden.input("in").labels(golden.get("in.labels")).build())
        .loss()
        .orElseThrow();
  }

  @Test
  void eachAddedAdapterActsAndIsTrained() {
    JsonNode facts = golden.facts();
    for (String name : ADAPTERS) {
      load(name);
      assertEquals(
          names(facts.get("activeAfterAdd").get(name)), new TreeSet<>(model.activeAdapters()));
      assertEquals(
          names(facts.get("stateDict").get(name)),
          new TreeSet<>(model.getAdapterStateDict().keySet()));
      assertLogits(name + ".logits");
      Tensor loss = loss();
      Golden.assertClose(golden.get(name + ".loss"), loss, golden.tolerance("forward"), "loss");
      loss.backward();
      Map<String, Parameter> trained = trained();
      assertEquals(names(facts.get("trainable").get(name)), trained.keySet());
      trained.forEach(
          (key, parameter) ->
              Golden.assertClose(
                  golden.get(name + ".grad." + key),
                  parameter.tensor().grad().orElseThrow(),
                  golden.tolerance("gradient"),
                  key));
      model.zeroGrad();
    }
  }

  @Test
  void switching() {
    ADAPTERS.forEach(this::load);
    model.setAdapter("default", "b");
    assertEquals(ADAPTERS, model.activeAdapters());
    assertLogits("both.logits");
    model.disableAdapters();
    assertLogits("disabled.logits");
    assertEquals(ADAPTERS, model.activeAdapters());
    model.enableAdapters();
    model.setAdapter("default");
    assertLogits("default.logits");
  }

  @Test
  void threeSteps() {
    ADAPTERS.forEach(this::load);
    Map<String, Parameter> trained = trained();
    float[] losses = golden.get("b.train.losses").toFloats();
    try (AdamW optimizer = new AdamW(trained, new AdamW.Options(0.01, 0.9, 0.999, 1e-8, 0.01))) {
      for (float expected : losses) {
        Tensor loss = loss();
        assertEquals(expected, loss.toDouble(), 1e-5 * (1 + Math.abs(expected)));
        loss.backward();
        optimizer.step();
        model.zeroGrad();
      }
    }
    trained.forEach(
        (key, parameter) ->
            Golden.assertClose(
                golden.get("b.train.after." + key),
                parameter.tensor(),
                golden.tolerance("afterSteps"),
                key));
  }

  /** The files of {@code save_pretrained}, byte for byte but for the base model's name. */
  @Test
  void savingWritesTheAdapterThatActs(@TempDir Path folder) throws IOException {
    ADAPTERS.forEach(this::load);
    for (String name : ADAPTERS) {
      model.setAdapter(name);
      Path saved = folder.resolve(name);
      model.savePretrained(saved);
      try (Stream<Path> files = Files.list(saved)) {
        assertEquals(
            names(golden.facts().get("savedFiles")),
            files.map(file -> file.getFileName().toString()).collect(Collectors.toSet()));
      }
      assertArrayEquals(
          Files.readAllBytes(golden.folder(name).resolve(WEIGHTS)),
          Files.readAllBytes(saved.resolve(WEIGHTS)));
      assertEquals(config(golden.folder(name)), config(saved));
    }
    model.setAdapter("default", "b");
    assertEquals(
        "Adapters [default, b] act together, and a folder holds one. Save them one by one, each"
            + " after setAdapter(name).",
        assertThrows(IllegalStateException.class, () -> model.savePretrained(folder)).getMessage());
  }

  /** The config with the names of its targets in one order; Python's set has none. */
  private static JsonNode config(Path folder) {
    ObjectNode config = (ObjectNode) Golden.json(folder.resolve("adapter_config.json"));
    return config.put("target_modules", names(config.get("target_modules")).toString());
  }

  @Test
  void freshAdaptersNameTheModelAndComeBack(@TempDir Path folder) {
    model.addAdapter(
        LoraConfig.builder()
            .r(3)
            .loraAlpha(7)
            .initLoraWeights(false)
            .targetModules("fc1", "k_proj")
            .build());
    assertTrue(
        model.getAdapterStateDict().keySet().contains("model.decoder.layers.0.fc1.lora_A.weight"));
    model.savePretrained(folder);
    assertEquals(
        BASE.toString(), PeftConfig.fromPretrained(folder).baseModelNameOrPath().orElseThrow());
    assertFalse(PeftConfig.fromPretrained(folder).inferenceMode());
    Tensor before = logits(model);
    try (CausalLM loaded = AutoModelForCausalLM.fromPretrained(folder)) {
      Golden.assertClose(before, logits(loaded), 0, "loaded");
    }
    try (TensorScope zeros = TensorScope.open("zeros")) {
      model.getAdapterStateDict().values().iterator().next().fillInPlace(0);
    }
    assertTrue(logits(model).sub(before).abs().max().toDouble() > 0.01);
    model.loadWeights(folder);
    Golden.assertClose(before, logits(model), 0, "weights loaded again");
  }

  private Tensor logits(CausalLM language) {
    try (GradMode off = GradMode.noGrad()) {
      return language.forward(golden.input("in").build()).logits().orElseThrow();
    }
  }

  @Test
  void afterTheLastDeletionTheModelIsPlain() {
    Tensor before = logits(model);
    Set<String> trainedBefore = trained().keySet();
    ADAPTERS.forEach(this::load);
    model.deleteAdapter("default");
    assertEquals(List.of("b"), model.activeAdapters());
    assertEquals(
        "There are no adapters [c] to delete. Adapters of this model: [b].",
        assertThrows(IllegalArgumentException.class, () -> model.deleteAdapter("b", "c"))
            .getMessage());
    model.deleteAdapter("b");
    Golden.assertClose(before, logits(model), 0, "plain");
    assertEquals(trainedBefore, trained().keySet());
    assertEquals(
        "This model has no adapters. Add one with addAdapter or loadAdapter first.",
        assertThrows(IllegalStateException.class, model::activeAdapters).getMessage());
  }

  @Test
  void whatFailsChangesNothing() {
    Tensor before = logits(model);
    LoraConfig config = LoraConfig.builder().targetModules("q_porj").build();
    assertThrows(RuntimeException.class, () -> model.addAdapter(config));
    assertThrows(IllegalStateException.class, model::activeAdapters);
    assertEquals(
        "The adapter's config is a "
            + AdapterMixinIT.class.getName()
            + "$1; expected one of this library, such as a LoraConfig.",
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    model.addAdapter(
                        new AdapterConfig() {
                          @Override
                          public String peftType() {
                            return "LORA";
                          }
                        }))
            .getMessage());
    Golden.assertClose(before, logits(model), 0, "plain");
    load("default");
    assertThrows(IllegalArgumentException.class, () -> load("default"));
    assertLogits("default.logits");
    LoraConfig good = LoraConfig.builder().targetModules("q_proj").build();
    assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(model, good));
    assertLogits("default.logits");
  }
}
