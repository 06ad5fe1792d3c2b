package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.AdaptedLinear;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;

/** LoRA over an embedding, a linear layer and a Conv1D: golden/custom_layers. */
@ExtendWith(LedgerCheck.class)
class CustomLayersTest {
  private static final String CASE = "custom_layers/";

  private CustomLayers base;
  private TensorScope scope;
  private Map<String, Tensor> golden;
  private Tensor ids;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    base = CustomLayers.load();
    golden = Goldens.tensors(CASE + "io.safetensors");
    ids = golden.get("in.input_ids");
  }

  @AfterEach
  void close() {
    base.close();
    scope.close();
  }

  private PeftModel load() {
    return PeftModel.fromPretrained(
        base, Goldens.path(CASE + "adapter"), options -> options.isTrainable(true));
  }

  private void assertOutput(String name) {
    Goldens.assertClose(golden.get(name), base.forward(ids), 1e-5, name);
  }

  @Test
  void outputsAndGradientsArePythons() {
    try (PeftModel model = load()) {
      Tensor output = base.forward(ids);
      Goldens.assertClose(golden.get("adapter.output"), output, 1e-5, "output");
      Tensor difference = output.sub(golden.get("in.target"));
      Tensor loss = difference.mul(difference).mean();
      Goldens.assertClose(golden.get("adapter.loss"), loss, 1e-5, "loss");
      loss.backward();
      int compared = 0;
      for (var entry : model.namedParameters().entrySet()) {
        Tensor expected = golden.get("grad." + entry.getKey());
        assertEquals(expected != null, entry.getValue().requiresGrad(), entry.getKey());
        if (expected != null) {
          Tensor gradient = entry.getValue().tensor().grad().orElseThrow();
          Goldens.assertClose(expected, gradient, 1e-4, entry.getKey());
          compared++;
        }
      }
      assertEquals(6, compared);
    }
  }

  @Test
  void eachLayerAloneIsPythons() {
    try (PeftModel model = load()) {
      assertEquals(List.of("default"), model.activeAdapters());
      Goldens.assertClose(
          golden.get("layer.emb.output"),
          base.emb().forward(golden.get("layer.emb.input")),
          1e-5,
          "emb");
      Goldens.assertClose(
          golden.get("layer.lin.output"),
          base.lin().forward(golden.get("layer.lin.input")),
          1e-5,
          "lin");
      Goldens.assertClose(
          golden.get("layer.conv.output"),
          base.conv().forward(golden.get("layer.conv.input")),
          1e-5,
          "conv");
    }
  }

  @Test
  void mergingUnmergingAndDisablingArePythons() {
    try (PeftModel model = load();
        GradMode off = GradMode.noGrad()) {
      try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
        assertOutput("disabled.output");
      }
      assertOutput("adapter.output");
      model.mergeAdapter();
      assertOutput("merged.output");
      assertEquals(List.of("default"), model.getModelStatus().mergedAdapters());
      model.mergeAdapter(); // once more changes nothing
      assertOutput("merged.output");
      model.unmergeAdapter();
      assertOutput("unmerged.output");
      model.mergeAdapter();
      try (PeftModel.AdapterSwitch disabled = model.disableAdapter()) {
        assertOutput("disabled.output");
      }
      assertEquals(List.of(), model.getModelStatus().mergedAdapters());
      assertOutput("adapter.output");
    }
  }

  @Test
  void mergeAndUnloadLeavesThePlainModel() {
    PeftModel model = load();
    assertEquals(base, model.mergeAndUnload());
    assertInstanceOf(Linear.class, base.lin());
    base.namedState()
        .forEach(
            (name, parameter) ->
                Goldens.assertClose(
                    golden.get("merged.weight." + name), parameter.tensor(), 1e-5, name));
    assertOutput("merged.output");
    assertThrows(IllegalStateException.class, model::activeAdapters);
    model.close();
    assertOutput("merged.output");
  }

  @Test
  void closingGivesTheBaseBackAsItWas() {
    base.requiresGrad(true);
    PeftModel model = load();
    assertInstanceOf(AdaptedLinear.class, base.lin());
    model.mergeAdapter();
    model.close();
    assertInstanceOf(Linear.class, base.lin());
    assertTrue(base.namedParameters().values().stream().allMatch(p -> p.requiresGrad()));
    assertOutput("base.output");
    model.close();
  }

  @Test
  void savedFilesAreByteForBytePythons(@TempDir Path folder) throws IOException {
    try (PeftModel model = load()) {
      model.savePretrained(folder);
    }
    assertArrayEquals(
        Files.readAllBytes(Goldens.path(CASE + "adapter/adapter_model.safetensors")),
        Files.readAllBytes(folder.resolve("adapter_model.safetensors")));
    Map<String, Object> expected =
        Goldens.map(Goldens.json(Goldens.path(CASE + "adapter/adapter_config.json")));
    Map<String, Object> actual = Goldens.map(Goldens.json(folder.resolve("adapter_config.json")));
    expected.put("target_modules", List.of("conv", "emb", "lin"));
    expected.put(
        "auto_mapping",
        Map.of("base_model_class", "CustomLayers", "parent_library", "org.peftjava.peft"));
    assertEquals(expected, actual);
  }

  @Test
  void aFreshAdapterChangesNothingAndAQuirkyOneDoes() {
    LoraConfig.Bias none = LoraConfig.Bias.NONE;
    try (PeftModel model =
        Peft.getPeftModel(
            base,
            LoraConfig.builder()
                .r(3)
                .loraAlpha(7)
                .targetModules("emb", "lin")
                .bias(none)
                .build())) {
      assertOutput("base.output");
      assertEquals(3 * (11 + 6) + 3 * (6 + 8), model.trainableParameters().trainable());
    }
    try (PeftModel model =
        Peft.getPeftModel(
            base, LoraConfig.builder().r(3).targetModules("lin").initLoraWeights(false).build())) {
      float change = base.forward(ids).sub(golden.get("base.output")).abs().max().toFloats()[0];
      assertTrue(change > 1e-3, "changed by " + change);
    }
  }

  @Test
  void initialValuesHavePythonsDistribution() {
    Randomness.manualSeed(3);
    try (PeftModel model =
        Peft.getPeftModel(base, LoraConfig.builder().r(64).targetModules("lin").build())) {
      float[] a =
          model
              .namedParameters()
              .get("base_model.model.lin.lora_A.default.weight")
              .tensor()
              .toFloats();
      double bound = 1 / Math.sqrt(6);
      double highest = 0;
      double squares = 0;
      for (float value : a) {
        highest = Math.max(highest, Math.abs(value));
        squares += value * value;
      }
      assertTrue(highest <= bound && highest > 0.95 * bound, "largest " + highest);
      assertEquals(bound / Math.sqrt(3), Math.sqrt(squares / a.length), 0.1 * bound);
    }
  }

  @Test
  void dropoutActsOnTheUpdateInTrainingOnly() {
    try (PeftModel model =
        Peft.getPeftModel(
            base,
            LoraConfig.builder()
                .r(3)
                .loraAlpha(7)
                .loraDropout(0.5)
                .initLoraWeights(false)
                .targetModules("lin")
                .build())) {
      Tensor x = golden.get("layer.lin.input");
      Tensor calm = base.lin().forward(x);
      Goldens.assertClose(calm, base.lin().forward(x), 0, "evaluation");
      model.train(true);
      Tensor first = base.lin().forward(x);
      float[] difference = first.sub(base.lin().forward(x)).abs().toFloats();
      assertFalse(
          java.util.stream.IntStream.range(0, difference.length).allMatch(i -> difference[i] == 0));
      Tensor sum = Creation.zeros(DType.FLOAT32, x.device(), x.size(0), x.size(1), 8);
      for (int i = 0; i < 400; i++) {
        try (TensorScope inner = TensorScope.openGraph("draw");
            GradMode off = GradMode.noGrad()) {
          sum.addInPlace(base.lin().forward(x));
        }
      }
      Goldens.assertClose(calm, sum.div(400), 0.35, "mean over masks");
    }
  }
}
