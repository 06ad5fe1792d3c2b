package org.peftjava.peft.tuner.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/** First values and base weights against the real PEFT: golden/lora_starts. */
@ExtendWith(LedgerCheck.class)
class LoraStartsTest {
  static List<String> cases() {
    return List.copyOf(
        Goldens.map(Goldens.json(Goldens.path("lora_starts/cases.json")).get("cases")).keySet());
  }

  private static LoraConfig config(String name) {
    JsonNode values = Goldens.json(Goldens.path("lora_starts/cases.json")).at("/cases/" + name);
    Map<String, Object> fields = new HashMap<>(Map.of("r", 3L, "lora_alpha", 7L));
    fields.putAll(Goldens.map(values));
    return LoraConfig.of(fields);
  }

  /** Singular vectors may have either sign: the product, seen in the output, has one. */
  private static Tensor comparable(String name, Tensor value) {
    Tensor wide = value.to(DType.FLOAT32);
    return isVector(name) ? wide.abs() : wide;
  }

  private static boolean isVector(String name) {
    return name.contains("lora_A") || name.contains("lora_B") || name.contains("embedding_");
  }

  @ParameterizedTest
  @MethodSource("cases")
  void valuesAndBaseWeightsArePythons(String name) {
    try (TensorScope scope = TensorScope.open("test");
        FourLayers base = FourLayers.load()) {
      Map<String, Tensor> golden = Goldens.tensors("lora_starts/io.safetensors");
      boolean half = name.endsWith("bfloat16");
      if (half) {
        base.to(DType.BFLOAT16);
      }
      Randomness.manualSeed(3);
      try (PeftModel model = Peft.getPeftModel(base, config(name))) {
        Map<String, Parameter> state = model.namedState();
        TreeSet<String> expected = new TreeSet<>();
        golden.keySet().stream()
            .filter(key -> key.startsWith(name + ".param."))
            .forEach(key -> expected.add(key.substring(name.length() + ".param.".length())));
        assertEquals(expected, new TreeSet<>(state.keySet()));
        expected.forEach(
            key -> {
              Tensor value = golden.get(name + ".param." + key);
              assertEquals(value.dtype(), state.get(key).dtype(), key);
              Goldens.assertClose(
                  comparable(key, value),
                  comparable(key, state.get(key).tensor().detach()),
                  half ? 4e-3 : isVector(key) ? 2e-5 : 5e-6,
                  name + " " + key);
            });
        if (!half) {
          Goldens.assertClose(
              golden.get(name + ".output"), base.forward(golden.get("in.input_ids")), 1e-5, name);
        }
      }
    }
  }

  @Test
  void whatCannotBeIsRefusedAndNothingChanges() {
    try (TensorScope scope = TensorScope.open("test");
        FourLayers base = FourLayers.load()) {
      float[] before = base.wide().denseWeight(DType.FLOAT32).toFloats();
      for (LoraInit init :
          List.of(
              new LoraInit.Pissa(Optional.empty()), new LoraInit.Olora(), new LoraInit.Mica())) {
        String message =
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        Peft.getPeftModel(
                            base,
                            LoraConfig.builder()
                                .r(9)
                                .targetModules("conv", "wide")
                                .initLoraWeights(init)
                                .build()))
                .getMessage();
        assertTrue(message.contains("needs a rank of at most 8 for \"wide\""), message);
      }
      assertArrayEquals(before, base.wide().denseWeight(DType.FLOAT32).toFloats());
      String odd =
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      Peft.getPeftModel(
                          base,
                          LoraConfig.builder()
                              .r(3)
                              .targetModules("wide")
                              .initLoraWeights(new LoraInit.Orthogonal())
                              .build()))
              .getMessage();
      assertEquals("The orthogonal initialization needs an even rank, but r is 3.", odd);
      BitsAndBytesConfig.builder().loadIn4bit(true).build().applyTo(base);
      String quantized =
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      Peft.getPeftModel(
                          base,
                          LoraConfig.builder()
                              .targetModules("wide")
                              .initLoraWeights(new LoraInit.Pissa(Optional.empty()))
                              .build()))
              .getMessage();
      assertTrue(quantized.contains("needs weights of full precision"), quantized);
    }
  }

  @Test
  void oloraOverQuantizedWeightsLeavesTheQuantizedRest() {
    try (TensorScope scope = TensorScope.open("test");
        FourLayers base = FourLayers.load()) {
      Tensor ids = Goldens.tensors("lora_starts/io.safetensors").get("in.input_ids");
      BitsAndBytesConfig.builder().loadIn4bit(true).build().applyTo(base);
      Tensor before = base.wide().denseWeight(DType.FLOAT32).copy();
      Tensor plain = base.forward(ids);
      try (PeftModel model =
          Peft.getPeftModel(
              base,
              LoraConfig.builder()
                  .r(4)
                  .loraAlpha(7)
                  .targetModules("wide", "tall")
                  .initLoraWeights(new LoraInit.Olora())
                  .build())) {
        Tensor after = base.wide().denseWeight(DType.FLOAT32);
        assertTrue(before.sub(after).abs().max().toDouble() > 0.1, "the base has changed");
        double size = plain.abs().max().toDouble();
        double gap = plain.sub(base.forward(ids)).abs().max().toDouble();
        assertTrue(gap < 0.2 * size, "gap " + gap + " of " + size);
      }
    }
  }
}
