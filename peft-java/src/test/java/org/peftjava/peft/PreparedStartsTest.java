package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.lora.CordaConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.peft.tuner.lora.LoraGAConfig;
import org.peftjava.peft.tuner.lora.LoraInit;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;

/** CorDA and LoRA-GA against the real PEFT: golden/corda and golden/loraga. */
@ExtendWith(LedgerCheck.class)
class PreparedStartsTest {
  private static final String BASE = ".base_layer.weight";

  private PreparedModels data;

  @BeforeEach
  void open() {
    data = new PreparedModels();
  }

  @AfterEach
  void close() {
    data.close();
  }

  static Stream<String> cases() {
    return Stream.of("corda", "loraga")
        .flatMap(
            folder ->
                Goldens.map(PreparedModels.facts(folder)).keySet().stream()
                    .map(name -> folder + "/" + name));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void valuesAndBaseWeightsArePythons(String name) {
    String folder = name.substring(0, name.indexOf('/'));
    String row = name.substring(name.indexOf('/') + 1);
    boolean half = row.equals("bfloat16");
    JsonNode facts = PreparedModels.facts(folder).get(row);
    Map<String, Tensor> golden = Goldens.tensors(folder + "/io.safetensors");
    try (CausalLM base = PreparedModels.base(facts)) {
      if (half) {
        base.to(DType.BFLOAT16);
      }
      float[] plain = data.logits(base).toFloats();
      List<Boolean> trained = flags(base);
      if (half) { // 16-bit gradients are too rough to be compared
        Path file = Goldens.path("loraga/gradients_bfloat16.pt");
        data.withFile(base, PreparedModels.config(facts), file, false);
      } else {
        data.prepare(base, PreparedModels.config(facts));
      }
      assertEquals(trained, flags(base), "what is trained is as before");
      Randomness.manualSeed(3);
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, PreparedModels.config(facts))) {
        model.eval();
        assertArrayEquals(
            plain, data.logits(model).toFloats(), half ? 0.3f : 2e-4f, "no effect yet");
        Map<String, Parameter> state = new TreeMap<>(model.namedState());
        int compared = 0;
        for (Map.Entry<String, Parameter> entry : state.entrySet()) {
          Tensor value = golden.get(row + ".param." + entry.getKey());
          if (value != null) {
            boolean vectors = entry.getKey().contains("lora_");
            Tensor own = entry.getValue().tensor().detach();
            assertEquals(value.dtype(), own.dtype(), entry.getKey());
            Goldens.assertClose(
                vectors ? sizes(value) : value.to(DType.FLOAT32),
                vectors ? sizes(own) : expected(folder, state, golden, row, entry.getKey(), own),
                half ? 2e-2 : 2e-4,
                entry.getKey());
            compared++;
          }
        }
        assertEquals(
            golden.keySet().stream().filter(key -> key.startsWith(row + ".param.")).count(),
            compared);
      }
    }
  }

  private static List<Boolean> flags(CausalLM model) {
    return model.namedParameters().values().stream().map(Parameter::requiresGrad).toList();
  }

  /** Singular vectors may have either sign. */
  private static Tensor sizes(Tensor vectors) {
    return vectors.to(DType.FLOAT32).abs();
  }

  /**
   * The base weight; of LoRA-GA, whose A and B are of different pairs of vectors, with our product
   * instead of Python's taken out of it.
   */
  private static Tensor expected(
      String folder,
      Map<String, Parameter> ours,
      Map<String, Tensor> golden,
      String row,
      String key,
      Tensor own) {
    Tensor value = own.to(DType.FLOAT32);
    if (folder.equals("corda")) {
      return value;
    }
    String layer = key.substring(0, key.length() - BASE.length());
    String a = layer + ".lora_A.default.weight";
    String b = layer + ".lora_B.default.weight";
    double scaling = row.equals("alternating") ? 7 / Math.sqrt(3) : 7.0 / 3;
    Tensor our =
        ours.get(b)
            .tensor()
            .detach()
            .to(DType.FLOAT32)
            .matmul(ours.get(a).tensor().detach().to(DType.FLOAT32));
    Tensor pythons =
        golden
            .get(row + ".param." + b)
            .to(DType.FLOAT32)
            .matmul(golden.get(row + ".param." + a).to(DType.FLOAT32));
    Tensor difference = our.sub(pythons).mul(scaling);
    return value.add(row.equals("gpt2") ? difference.t() : difference);
  }

  private static LoraConfigBuilder builder() {
    return LoraConfig.builder().r(3).targetModules("q_proj");
  }

  @Test
  void optionsHavePythonsFieldsAndDefaults() {
    JsonNode corda = PreparedModels.facts("corda").get("ipm").at("/config/corda_config");
    JsonNode loraga = PreparedModels.facts("loraga").get("stable").at("/config/lora_ga_config");
    assertEquals(Goldens.map(corda).toString(), CordaConfig.builder().build().values().toString());
    assertEquals(
        Goldens.map(loraga).toString(), LoraGAConfig.builder().build().values().toString());
  }

  @Test
  void whatCannotBeIsSaid() {
    JsonNode facts = PreparedModels.facts("corda").get("ipm");
    LoraConfig corda = builder().initLoraWeights(new LoraInit.Corda()).build();
    LoraConfig loraga =
        builder()
            .initLoraWeights(new LoraInit.LoraGa())
            .loraGaConfig(LoraGAConfig.builder().build())
            .build();
    try (CausalLM base = PreparedModels.base(facts)) {
      assertRefused("is not prepared for CorDA", () -> Peft.getPeftModel(base, corda));
      assertRefused("preprocessCorda needs runModel", () -> Corda.preprocessCorda(base, corda));
      assertRefused(
          "runModel does not use the layer", () -> Corda.preprocessCorda(base, corda, () -> {}));
      assertRefused(
          "preprocessLoraga needs a config", () -> Loraga.preprocessLoraga(base, corda, () -> {}));
      Corda.preprocessCorda(base, corda, () -> data.run(base));
      assertRefused(
          "was prepared for rank 3 of a weight", () -> Peft.getPeftModel(base, corda.with("r", 4)));
      Corda.discard(base);
      Loraga.preprocessLoraga(base, loraga, () -> {});
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, loraga)) {
        assertArrayEquals(
            model.withoutAdapter(() -> data.logits(model)).toFloats(),
            data.logits(model).toFloats());
      }
      BitsAndBytesConfig.builder().loadIn4bit(true).build().applyTo(base);
      assertRefused(
          "needs the gradients of weights of full precision",
          () -> Loraga.preprocessLoraga(base, loraga, () -> {}));
    }
    assertRefused(
        "cordaMethod must be ipm or kpm", () -> CordaConfig.of(Map.of("corda_method", "both")));
    assertRefused("direction must be one of", () -> LoraGAConfig.builder().direction("up").build());
    assertRefused("scale must be one of", () -> LoraGAConfig.builder().scale("big").build());
  }

  private static void assertRefused(String expected, Executable action) {
    String message = assertThrows(IllegalArgumentException.class, action).getMessage();
    assertTrue(message.contains(expected), message);
  }
}
