package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.peft.tuner.lora.LoraInit;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/** LoRA over parameters of layers of any kind: golden/target_parameters. */
@ExtendWith(LedgerCheck.class)
class TargetParametersTest {
  private static final Path ADAPTER = Goldens.path("target_parameters/adapter");

  private static Map<String, Tensor> golden() {
    return Goldens.tensors("target_parameters/io.safetensors");
  }

  /** By Python's names, where the wrapper of one parameter is in that of the next one. */
  private static Map<String, Parameter> trained(PeftModel model) {
    Map<String, Parameter> result = new TreeMap<>();
    model
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              if (parameter.requiresGrad()) {
                result.put(name.replace("experts.gate_up.", "experts.base_layer."), parameter);
              }
            });
    return result;
  }

  private static Tensor loss(ExpertsModel base, Map<String, Tensor> golden) {
    return base.forward(golden.get("in.input_ids")).sub(golden.get("in.target")).pow(2).mean();
  }

  private static LoraConfigBuilder config(String... parameters) {
    return LoraConfig.builder()
        .r(2)
        .loraAlpha(5)
        .targetModules(new String[0])
        .targetParameters(parameters);
  }

  @Test
  void freshMatricesAreDrawnAsInPython() {
    try (TensorScope scope = TensorScope.open("test");
        ExpertsModel base = ExpertsModel.load()) {
      Map<String, Tensor> golden = golden();
      LoraConfig saved =
          (LoraConfig) PeftConfig.fromPretrained(ADAPTER).with("inference_mode", false);
      Randomness.manualSeed(1);
      try (PeftModel model = Peft.getPeftModel(base, saved)) {
        Map<String, Parameter> trained = trained(model);
        assertEquals(
            golden.keySet().stream().filter(k -> k.startsWith("fresh.")).count(), trained.size());
        trained.forEach(
            (name, value) ->
                Goldens.assertClose(golden.get("fresh." + name), value.tensor(), 1e-6, name));
        Goldens.assertClose(
            golden.get("base.output"), base.forward(golden.get("in.input_ids")), 1e-5, "fresh");
      }
    }
  }

  @Test
  void outputsGradientsStepsAndMerging(@TempDir Path folder) throws IOException {
    try (TensorScope scope = TensorScope.openGraph("test");
        ExpertsModel base = ExpertsModel.load()) {
      Map<String, Tensor> golden = golden();
      Tensor ids = golden.get("in.input_ids");
      PeftModel model = PeftModel.fromPretrained(base, ADAPTER, o -> o.isTrainable(true));
      model.eval();
      Goldens.assertClose(golden.get("adapter.output"), base.forward(ids), 1e-5, "output");
      Goldens.assertClose(
          golden.get("disabled.output"),
          model.withoutAdapter(() -> base.forward(ids)),
          1e-5,
          "disabled");
      model.savePretrained(folder);
      assertArrayEquals(
          Files.readAllBytes(ADAPTER.resolve("adapter_model.safetensors")),
          Files.readAllBytes(folder.resolve("adapter_model.safetensors")));
      Map<String, Parameter> trained = trained(model);
      Tensor loss = loss(base, golden);
      Goldens.assertClose(golden.get("adapter.loss"), loss, 1e-5, "loss");
      loss.backward();
      trained.forEach(
          (name, value) ->
              Goldens.assertClose(
                  golden.get("grad." + name), value.tensor().grad().orElseThrow(), 1e-4, name));
      model.zeroGrad();
      model.mergeAdapter(o -> o.safeMerge(true));
      Goldens.assertClose(golden.get("merged.output"), base.forward(ids), 4e-5, "merged");
      model.unmergeAdapter();
      Goldens.assertClose(golden.get("adapter.output"), base.forward(ids), 4e-5, "unmerged");
      try (AdamW optimizer = new AdamW(trained, new AdamW.Options(0.01, 0.9, 0.999, 1e-8, 0.01))) {
        for (int i = 0; i < 3; i++) {
          try (TensorScope step = TensorScope.openGraph("step")) {
            loss(base, golden).backward();
          }
          optimizer.step();
          optimizer.zeroGrad();
        }
      }
      trained.forEach(
          (name, value) ->
              Goldens.assertClose(golden.get("train.after." + name), value.tensor(), 1e-4, name));
      model.close();
    }
  }

  @Test
  void unloadedWithItsChangesItIsTheMergedModel() {
    try (TensorScope scope = TensorScope.open("test");
        ExpertsModel base = ExpertsModel.load()) {
      Map<String, Tensor> golden = golden();
      Module merged = PeftModel.fromPretrained(base, ADAPTER, o -> {}).mergeAndUnload();
      assertEquals(
          golden.keySet().stream().filter(k -> k.startsWith("merged.weight.")).count(),
          merged.namedState().size());
      merged
          .namedState()
          .forEach(
              (name, value) ->
                  Goldens.assertClose(
                      golden.get("merged.weight." + name), value.tensor(), 1e-5, name));
    }
  }

  @Test
  void adaptersMayHaveOtherParametersAndActTogether() {
    try (TensorScope scope = TensorScope.open("test");
        ExpertsModel base = ExpertsModel.load();
        PeftModel model =
            Peft.getPeftModel(
                base, config("gate_up").initLoraWeights(new LoraInit.Random()).build())) {
      Tensor ids = golden().get("in.input_ids");
      Tensor plain = model.withoutAdapter(() -> base.forward(ids));
      final Tensor first = base.forward(ids);
      model.addAdapter("b", config("down", "lin.weight").initLoraWeights(false).build());
      model.setAdapter("b");
      final Tensor second = base.forward(ids);
      model.setAdapter("default", "b");
      Tensor both = base.forward(ids);
      assertTrue(TinyOpt.gap(first, both) > 1e-3 && TinyOpt.gap(second, both) > 1e-3);
      model.mergeAdapter();
      Goldens.assertClose(both, base.forward(ids), 1e-5, "merged");
      model.unmergeAdapter();
      model.setScale("b", 0);
      Goldens.assertClose(first, base.forward(ids), 1e-5, "scaled to nothing");
      model.deleteAdapter("default");
      Goldens.assertClose(plain, base.forward(ids), 1e-5, "deleted");
      assertThrows(
          UnsupportedOperationException.class,
          () -> model.withAdapterNames(List.of("b", "b"), () -> ids));
    }
  }

  private static void refused(LoraConfig config, String word) {
    try (ExpertsModel base = ExpertsModel.load()) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(base, config))
              .getMessage();
      assertTrue(message.contains(word), message);
      assertTrue(base.namedState().keySet().stream().noneMatch(key -> key.contains("lora")));
    }
  }

  @Test
  void mistakesAreNamedAndChangeNothing() {
    refused(config("nothing.there").build(), "nothing.there");
    refused(config("lin.bias").build(), "no matrix");
    refused(config("lin.weight").targetModules("lin").build(), "targetModules");
    refused(config("mix.matrix").modulesToSave("mix").build(), "mix");
    refused(config("gate_up").loraDropout(0.1).build(), "loraDropout");
    refused(config("gate_up").useDora(true).build(), "useDora");
    refused(config("gate_up").initLoraWeights(new LoraInit.Olora()).build(), "olora");
  }

  @Test
  void modulesAndParametersCanBeTargetedTogether() {
    try (ExpertsModel base = ExpertsModel.load();
        PeftModel model =
            Peft.getPeftModel(base, config("experts.down").targetModules("lin", "emb").build())) {
      assertEquals(3, model.getLayerStatus().size());
    }
  }
}
