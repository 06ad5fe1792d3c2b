package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.it.ssf.SsfConfig;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.boft.BOFTConfig;
import org.peftjava.peft.tuner.ia3.IA3Config;
import org.peftjava.peft.tuner.lntuning.LNTuningConfig;
import org.peftjava.peft.tuner.loha.LoHaConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.vera.VeraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.optim.AdamW;

/** Adapters on a user's own module, by our methods and by one of another library. */
@ExtendWith(NoLeaks.class)
class CustomModelIT {
  private TensorScope scope;
  private Tensor features;
  private Tensor prices;
  private PriceModel model;

  @BeforeEach
  void open() {
    Randomness.manualSeed(5);
    scope = TensorScope.openGraph("test");
    features = Creation.zeros(DType.FLOAT32, 12, 8).uniformInPlace(-1, 1);
    prices = Creation.zeros(DType.FLOAT32, 12, 1).uniformInPlace(1, 3);
    model = new PriceModel();
    model.initialize();
  }

  @AfterEach
  void close() {
    model.close();
    scope.close();
  }

  static List<TunerConfig> methods() {
    return List.of(
        LoraConfig.builder().r(3).loraAlpha(7).targetModules("hidden", "price").build(),
        LoraConfig.builder().r(2).targetModules("hidden").modulesToSave("price", "norm").build(),
        IA3Config.builder().targetModules("hidden").feedforwardModules().build(),
        LoHaConfig.builder().r(2).alpha(3).targetModules("hidden").build(),
        BOFTConfig.builder().boftBlockSize(4).targetModules("hidden").build(),
        VeraConfig.builder().r(4).targetModules("hidden").build(),
        LNTuningConfig.builder().targetModules("norm").build(),
        SsfConfig.builder().targetModules("hidden", "price").build(),
        SsfConfig.builder().targetModules("price").shift(false).build());
  }

  private double loss() {
    try (TensorScope inner = TensorScope.open("loss");
        GradMode off = GradMode.noGrad()) {
      return squares().toDouble();
    }
  }

  private Tensor squares() {
    Tensor difference = model.forward(features).sub(prices);
    return difference.mul(difference).mean();
  }

  private float[] outputs() {
    try (TensorScope inner = TensorScope.open("outputs");
        GradMode off = GradMode.noGrad()) {
      return model.forward(features).toFloats();
    }
  }

  private void train(Module trained) {
    AdamW.Options options = new AdamW.Options(0.05, 0.9, 0.999, 1e-8, 0);
    try (AdamW optimizer = new AdamW(trained.namedParameters(), options)) {
      for (int step = 0; step < 5; step++) {
        try (TensorScope pass = TensorScope.openGraph("step")) {
          optimizer.zeroGrad();
          squares().backward();
          optimizer.step();
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("methods")
  void anAdapterTrainsIsSavedLoadedAndMerged(TunerConfig config, @TempDir Path folder) {
    float[] before = outputs();
    double start = loss();
    float[] trained;
    try (PeftModel adapted = Peft.getPeftModel(model, config)) {
      train(adapted);
      assertTrue(loss() < start * 0.95, () -> start + " -> " + loss());
      trained = outputs();
      assertArrayEquals(before, adapted.withoutAdapter(this::outputs), 1e-6f);
      adapted.savePretrained(folder);
    }
    assertArrayEquals(before, outputs(), 1e-6f);
    assertEquals(config.getClass(), PeftConfig.fromPretrained(folder).getClass());
    assertEquals(
        "PriceModel",
        PeftConfig.fromPretrained(folder).autoMapping().orElseThrow().get("base_model_class"));
    PeftModel loaded = PeftModel.fromPretrained(model, folder, options -> {});
    assertArrayEquals(trained, outputs(), 1e-6f);
    assertEquals(0, loaded.trainableParameters().trainable());
    loaded.mergeAndUnload();
    assertArrayEquals(trained, outputs(), 1e-5f);
    loaded.close();
  }

  @Test
  void theStepsOfTheGuide(@TempDir Path folder) {
    // docs/custom-models.md, a PeftModel around a module
    var config =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .targetModules("hidden")
            .modulesToSave("price")
            .build();
    try (var adapted = Peft.getPeftModel(model, config);
        var optimizer = new AdamW(adapted.namedParameters(), AdamW.Options.defaults())) {
      for (int step = 0; step < 20; step++) {
        try (var pass = TensorScope.openGraph("step")) {
          optimizer.zeroGrad();
          Tensor difference = model.forward(features).sub(prices); // the module itself computes
          difference.mul(difference).mean().backward();
          optimizer.step();
        }
      }
      adapted.savePretrained(folder);
    }
    double untrained = loss();
    // and without one
    Peft.injectAdapterInModel(PeftConfig.fromPretrained(folder), model);
    try (var values = TensorScope.open("values")) {
      Peft.setPeftModelStateDict(
          model, Golden.tensors(folder.resolve("adapter_model.safetensors")));
    }
    Map<String, float[]> state = new LinkedHashMap<>();
    try (var values = TensorScope.open("values")) {
      Peft.getPeftModelStateDict(model).forEach((key, tensor) -> state.put(key, tensor.toFloats()));
    }
    assertEquals(
        new TreeSet<>(
            List.of("hidden.lora_A.weight", "hidden.lora_B.weight", "price.bias", "price.weight")),
        new TreeSet<>(state.keySet()));
    assertTrue(loss() < 0.9 * untrained, () -> untrained + " -> " + loss());
  }

  @Test
  void anotherLibrarysMethodIsReadFromItsFile(@TempDir Path folder) {
    try (PeftModel adapted =
        Peft.getPeftModel(
            model, SsfConfig.builder().targetModules("hidden").shift(false).build())) {
      adapted.savePretrained(folder);
    }
    SsfConfig config = assertInstanceOf(SsfConfig.class, PeftConfig.fromPretrained(folder));
    assertEquals("SSF", config.peftType());
    assertTrue(config.targetModules().toString().contains("hidden"));
    assertEquals(false, config.shift());
  }

  /** Every Java snippet of the guide stands in these sources, so it compiles and runs. */
  @Test
  void theGuideSaysWhatIsTested() throws Exception {
    StringBuilder sources = new StringBuilder();
    for (String name :
        List.of(
            "CustomModelIT.java",
            "PriceModel.java",
            "ssf/SsfConfig.java",
            "ssf/SsfMethod.java",
            "ssf/SsfAdapter.java")) {
      sources.append(
          plain(Files.readString(Path.of("src/test/java/org/peftjava/it").resolve(name))));
    }
    Matcher block =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("../docs/custom-models.md")));
    List<String> missing = new ArrayList<>();
    int blocks = 0;
    while (block.find()) {
      blocks++;
      for (String part : block.group(1).split("\n *// \\.\\.\\.\n", -1)) {
        if (!sources.toString().contains(plain(part))) {
          missing.add(part);
        }
      }
    }
    assertEquals(List.of(), missing);
    assertTrue(blocks >= 6, "" + blocks);
  }

  private static String plain(String code) {
    return code.replaceAll("\\s+", "");
  }
}
