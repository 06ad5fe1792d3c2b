package org.peftjava.peft.tuner.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.tuner.AddOptions;
import org.peftjava.peft.tuner.StubModels;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunedModel;

class LoraConfigTest {
  @Test
  void valuesComeBack() {
    LoraConfig config =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .loraDropout(0.05)
            .targetModules("q_proj", "v_proj")
            .excludeModules(TargetModules.regex(".*\\.0\\..*"))
            .taskType(TaskType.CAUSAL_LM)
            .bias(LoraConfig.Bias.LORA_ONLY)
            .useRslora(true)
            .initLoraWeights(new LoraInit.Gaussian())
            .layersToTransform(1, 2)
            .layersPattern("layers")
            .rankPattern(Map.of("q_proj", 4))
            .alphaPattern(Map.of("q_proj", 2.5))
            .modulesToSave("lm_head")
            .build();
    assertEquals(16, config.r());
    assertEquals(32, config.loraAlpha());
    assertEquals(0.05, config.loraDropout());
    assertEquals(TargetModules.names("q_proj", "v_proj"), config.targetModules());
    assertEquals(Optional.of(TargetModules.regex(".*\\.0\\..*")), config.excludeModules());
    assertEquals(Optional.of(TaskType.CAUSAL_LM), config.taskType());
    assertEquals(LoraConfig.Bias.LORA_ONLY, config.bias());
    assertEquals(new LoraInit.Gaussian(), config.initLoraWeights());
    assertEquals(List.of(1, 2), config.layersToTransform());
    assertEquals(List.of("layers"), config.layersPattern());
    assertEquals(Map.of("q_proj", 4L), config.rankPattern());
    assertEquals(Map.of("q_proj", 2.5), config.alphaPattern());
    assertEquals(List.of("lm_head"), config.modulesToSave());
    assertEquals(config, config.toBuilder().build());
    assertEquals(config, LoraConfig.of(config.fields().values()));
    assertNotEquals(config, config.toBuilder().r(17).build());
  }

  @Test
  void initializationsHavePythonsNames() {
    for (LoraInit init :
        List.of(
            new LoraInit.Gaussian(),
            new LoraInit.Orthogonal(),
            new LoraInit.Pissa(Optional.empty()),
            new LoraInit.Pissa(16),
            new LoraInit.Olora(),
            new LoraInit.Eva(),
            new LoraInit.Corda(),
            new LoraInit.LoraGa(),
            new LoraInit.Mica())) {
      assertEquals(init, LoraConfig.builder().initLoraWeights(init).build().initLoraWeights());
    }
    assertEquals("pissa_niter_16", new LoraInit.Pissa(16).toField());
    assertEquals("lora_ga", new LoraInit.LoraGa().toField());
    assertEquals(true, new LoraInit.Standard().toField());
    assertEquals(false, new LoraInit.Random().toField());
  }

  @Test
  void wrongValuesAreRefusedWithTheValueAndTheExpectation() {
    for (JsonNode row : Goldens.json(Goldens.path("config_roundtrip/errors.json")).get("rows")) {
      Map<String, Object> values = Goldens.map(row.get("config"));
      boolean accepted =
          row.get("stage").textValue().equals("ok")
              && !Double.valueOf(-0.1).equals(values.get("lora_dropout"));
      if (accepted) {
        LoraConfig.of(values);
      } else {
        IllegalArgumentException error =
            assertThrows(
                IllegalArgumentException.class,
                () -> {
                  try (TunedModel model = new TunedModel(StubModels.named("opt"))) {
                    model.add("default", LoraConfig.of(values), AddOptions.DEFAULT);
                  }
                },
                row.toString());
        assertTrue(error.getMessage().matches("(?s).*[.]"), error.getMessage());
      }
    }
    assertEquals(
        "LoraConfig: r must be positive, got 0.",
        assertThrows(IllegalArgumentException.class, () -> LoraConfig.builder().r(0).build())
            .getMessage());
  }

  @Test
  void megatronIsRefusedWhenApplied() {
    LoraConfig config = LoraConfig.builder().megatronConfig(Map.of("a", 1)).build();
    try (TunedModel model = new TunedModel(StubModels.named("opt"))) {
      String message =
          assertThrows(
                  UnsupportedOperationException.class,
                  () -> model.add("default", config, AddOptions.DEFAULT))
              .getMessage();
      assertTrue(message.contains("megatronConfig"), message);
    }
  }

  @Test
  void optionsOfVariantsAreCompletedAndChecked() {
    VeloraConfig velora =
        LoraConfig.builder()
            .veloraConfig(Map.of("scale", 1.5))
            .build()
            .veloraConfig()
            .orElseThrow();
    assertEquals(VeloraConfig.builder().scale(1.5).build(), velora);
    assertEquals(64, velora.numGroups());
    List<LoraConfigBuilder> wrong =
        List.of(
            LoraConfig.builder().kasaConfig(Map.of("beta", -0.1)),
            LoraConfig.builder().veloraConfig(Map.of("scale", 0)),
            LoraConfig.builder().veloraConfig(Map.of("num_groups", 0)),
            LoraConfig.builder().veloraConfig(Map.of("init_type", "other")),
            LoraConfig.builder().montecloraConfig(Map.of("num_samples", 0)),
            LoraConfig.builder().montecloraConfig(Map.of("dirichlet_prior", 0)),
            LoraConfig.builder().arrowConfig(Map.of("top_k", 0)),
            LoraConfig.builder().arrowConfig(Map.of("router_temperature", 0)),
            LoraConfig.builder().useQalora(true).qaloraGroupSize(0));
    wrong.forEach(builder -> assertThrows(IllegalArgumentException.class, builder::build));
  }
}
