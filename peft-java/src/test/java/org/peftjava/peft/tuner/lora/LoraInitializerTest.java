package org.peftjava.peft.tuner.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.CustomLayers;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorScope;

/**
 * First values after {@code torch.manual_seed(3)}: PEFT 0.21.0 with torch 2.13.0, {@code
 * LoraConfig(r=3, lora_alpha=7, target_modules=["emb", "lin", "conv"])} over the module of
 * golden/custom_layers, the first three of each parameter.
 */
@ExtendWith(LedgerCheck.class)
class LoraInitializerTest {
  private static void assertValues(PeftModel model, String name, double... expected) {
    float[] actual = model.namedParameters().get("base_model.model." + name).tensor().toFloats();
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], 1e-6, name + " " + i);
    }
  }

  private static PeftModel model(CustomLayers base, LoraInit init, String... targets) {
    Randomness.manualSeed(3);
    return Peft.getPeftModel(
        base,
        LoraConfig.builder()
            .r(3)
            .loraAlpha(7)
            .targetModules(targets)
            .initLoraWeights(init)
            .build());
  }

  @Test
  void theSameSeedGivesPythonsAdapter() {
    try (TensorScope scope = TensorScope.open("test");
        CustomLayers base = CustomLayers.load();
        PeftModel model = model(base, new LoraInit.Standard(), "emb", "lin", "conv")) {
      assertValues(model, "emb.lora_embedding_A.default", 0, 0, 0);
      assertValues(model, "emb.lora_embedding_B.default", -0.7349227, 1.9858762, 0.9183049);
      assertValues(model, "lin.lora_A.default.weight", -0.1481469, -0.3272282, 0.0390675);
      assertValues(model, "lin.lora_B.default.weight", 0, 0, 0);
      assertValues(model, "conv.lora_A.default.weight", 0.0365614, -0.0762582, 0.0921072);
    }
  }

  @Test
  void theRandomKindHasPythonsValues() {
    try (TensorScope scope = TensorScope.open("test");
        CustomLayers base = CustomLayers.load();
        PeftModel model = model(base, new LoraInit.Random(), "emb", "lin", "conv")) {
      assertValues(model, "emb.lora_embedding_A.default", -0.0766443, 0.3598815, -0.7820168);
      assertValues(model, "emb.lora_embedding_B.default", 2.2124183, -0.3769858, -0.2576451);
      assertValues(model, "lin.lora_A.default.weight", 0.02311, 0.3464465, -0.3562718);
      assertValues(model, "lin.lora_B.default.weight", 0.2402857, 0.0611424, -0.2019926);
      assertValues(model, "conv.lora_B.default.weight", 0.5581023, -0.4108745, 0.5630237);
    }
  }

  @Test
  void theGaussianKindHasPythonsValues() {
    try (TensorScope scope = TensorScope.open("test");
        CustomLayers base = CustomLayers.load();
        PeftModel model = model(base, new LoraInit.Gaussian(), "emb", "lin", "conv")) {
      assertValues(model, "lin.lora_A.default.weight", -0.2360803, -0.1522275, -0.5816101);
      assertValues(model, "lin.lora_B.default.weight", 0, 0, 0);
      assertValues(model, "conv.lora_A.default.weight", -0.5621931, 0.3656383, 0.4748147);
    }
  }

  @Test
  void valuesPassThroughTheTypeOfTheBase() {
    try (TensorScope scope = TensorScope.open("test");
        CustomLayers base = CustomLayers.load()) {
      base.to(DType.BFLOAT16);
      try (PeftModel model = model(base, new LoraInit.Standard(), "lin")) {
        String a = "lin.lora_A.default.weight";
        assertValues(model, a, -0.04638671875, -0.265625, 0.208984375, -0.09814453125);
        assertEquals(DType.FLOAT32, model.namedParameters().get("base_model.model." + a).dtype());
      }
    }
  }
}
