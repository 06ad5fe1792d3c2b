package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AdapterLoadOptions;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.ModelInput;

/** Adapters of plain models that take another one's place: golden/hotswap. */
@ExtendWith(LedgerCheck.class)
class MixinHotswapTest {
  private TensorScope scope;
  private Map<String, Tensor> golden;
  private CausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors("hotswap/io.safetensors");
    model = AutoModelForCausalLM.fromPretrained(Path.of(folder("base")));
  }

  @AfterEach
  void close() {
    model.close();
    scope.close();
  }

  private static String folder(String name) {
    return Goldens.path("hotswap").resolve(name).toString();
  }

  private Tensor masked(Tensor logits) {
    return logits.maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  private Tensor logits() {
    ModelInput input =
        ModelInput.builder()
            .inputIds(golden.get("in.input_ids"))
            .attentionMask(golden.get("in.attention_mask"))
            .build();
    try (GradMode off = GradMode.noGrad()) {
      return masked(model.forward(input).logits().orElseThrow());
    }
  }

  private void assertActs(String name) {
    Goldens.assertClose(masked(golden.get("fresh." + name + ".logits")), logits(), 1e-5, name);
  }

  private Set<Long> ranks() {
    return model.namedParameters().entrySet().stream()
        .filter(entry -> entry.getKey().contains("lora_A"))
        .map(entry -> entry.getValue().shape().get(0))
        .collect(Collectors.toSet());
  }

  private String refused(
      Class<? extends RuntimeException> kind,
      String name,
      Consumer<AdapterLoadOptions.Builder> options) {
    return assertThrows(kind, () -> model.loadAdapter(folder(name), options)).getMessage();
  }

  @ParameterizedTest
  @ValueSource(strings = {"equal", "smaller", "larger", "fewer", "patterns"})
  void theNewAdapterActs(String name, @TempDir Path saved) {
    model.loadAdapter(folder("first"));
    model.loadAdapter(folder(name), options -> options.hotswap(true));
    assertActs(name);
    assertEquals(List.of("default"), model.activeAdapters());
    assertTrue(model.namedParameters().values().stream().noneMatch(Parameter::requiresGrad));
    model.savePretrained(saved);
    model.loadAdapter(folder("first"), options -> options.hotswap(true));
    assertActs("first");
    model.deleteAdapter("default");
    model.loadAdapter(saved.toString());
    assertActs(name);
  }

  @Test
  void onceEnabledALoadedNameIsSwapped() {
    model.enablePeftHotswap(8);
    model.loadAdapter(folder("first"));
    assertEquals(Set.of(8L), ranks());
    assertActs("first");
    for (String name : List.of("smaller", "larger", "equal", "fewer")) {
      model.loadAdapter(folder(name));
      assertActs(name);
      assertEquals(Set.of(8L), ranks());
    }
    model.loadAdapter(folder("larger"), "other");
    assertActs("larger");
    model.loadAdapter(folder("equal"));
    assertActs("larger");
    model.setAdapter("default");
    assertActs("equal");
    assertTrue(
        refused(IllegalArgumentException.class, "equal", options -> options.hotswap(false))
            .contains("default"));
  }

  @Test
  void theSwappedAdapterIsTrained() {
    model.loadAdapter(folder("first"), options -> options.isTrainable(true));
    model.module().train(true);
    model.loadAdapter(folder("larger"), options -> options.hotswap(true).isTrainable(true));
    assertTrue(model.module().isTraining());
    assertEquals(
        8, model.namedParameters().values().stream().filter(Parameter::requiresGrad).count());
    model.loadAdapter(folder("equal"), options -> options.hotswap(true));
    assertFalse(model.module().isTraining());
    assertTrue(model.namedParameters().values().stream().noneMatch(Parameter::requiresGrad));
  }

  @Test
  void anotherHeadsModelTakesThemToo() {
    try (FeatureExtraction bare = AutoModel.fromPretrained(Path.of(folder("base")))) {
      bare.loadAdapter(folder("first"));
      bare.loadAdapter(folder("larger"), options -> options.hotswap(true));
      model.loadAdapter(folder("larger"));
      Map<String, Tensor> swapped = bare.getAdapterStateDict();
      Map<String, Tensor> loaded = model.getAdapterStateDict();
      assertEquals(loaded.size(), swapped.size());
      swapped.forEach(
          (key, value) -> Goldens.assertClose(loaded.get("model." + key), value, 0, key));
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    assertTrue(
        refused(IllegalArgumentException.class, "first", options -> options.hotswap(true))
            .contains("no adapter \"default\""));
    assertThrows(IllegalArgumentException.class, () -> model.enablePeftHotswap(0));
    model.enablePeftHotswap(3);
    assertTrue(
        refused(IllegalArgumentException.class, "first", options -> {})
            .contains("original rank is larger (4)"));
    assertTrue(ranks().isEmpty());
    model.loadAdapter(folder("smaller"));
    assertTrue(
        refused(IllegalArgumentException.class, "first", o -> o.adapterName("b")).contains("(4)"));
    assertEquals(Set.of(3L), ranks());
    assertActs("smaller");
    assertTrue(
        assertThrows(IllegalStateException.class, model::enablePeftHotswap)
            .getMessage()
            .contains("before loading the first"));
    for (String name : List.of("more", "dropout", "rslora", "dora", "ia3")) {
      refused(IllegalArgumentException.class, name, options -> {});
      assertActs("smaller");
    }
  }

  @Test
  void onlyLoraIsSwapped() {
    model.enablePeftHotswap();
    model.loadAdapter(folder("ia3"));
    assertTrue(
        refused(IllegalArgumentException.class, "equal", options -> {}).contains("only supports"));
  }
}
