package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.cartridge.CartridgeConfig;
import org.peftjava.peft.tuner.cpt.CPTConfig;
import org.peftjava.peft.tuner.multitaskprompttuning.MultitaskPromptTuningConfig;
import org.peftjava.peft.tuner.multitaskprompttuning.MultitaskPromptTuningInit;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.SequenceClassification;

/** Virtual tokens that know tasks or examples: what they start as, and what is refused. */
@ExtendWith(LedgerCheck.class)
class PromptTaskTest {
  private TinyOpt tiny;
  private CausalLM base;

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
    base = tiny.base();
  }

  @AfterEach
  void close() {
    tiny.close();
  }

  private static String source() {
    return Goldens.path("multitask_llama/adapter/adapter_model.safetensors").toString();
  }

  private static MultitaskPromptTuningConfig from(MultitaskPromptTuningInit init, int task) {
    return MultitaskPromptTuningConfig.builder()
        .numVirtualTokens(3)
        .numRanks(2)
        .promptTuningInit(init)
        .promptTuningInitStateDictPath(source())
        .promptTuningInitTask(task)
        .build();
  }

  private float[] cols(MultitaskPromptTuningConfig config) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
      return model
          .namedParameters()
          .get("prompt_encoder.default.prefix_task_cols")
          .tensor()
          .toFloats();
    }
  }

  @Test
  void tasksStartAsOthersEnded() {
    float[][] learned = new float[3][];
    try (PeftModelForCausalLM model =
        Peft.getPeftModel(base, from(MultitaskPromptTuningInit.EXACT_SOURCE_TASK, 0))) {
      assertTrue(model.trainableParameters().trainable() > 0);
    }
    for (int task = 0; task < 3; task++) {
      learned[task] = cols(from(MultitaskPromptTuningInit.EXACT_SOURCE_TASK, task));
    }
    float[] mean = new float[learned[0].length];
    for (int i = 0; i < mean.length; i++) {
      mean[i] = (learned[0][i] + learned[1][i] + learned[2][i]) / 3;
    }
    assertArrayEquals(mean, cols(from(MultitaskPromptTuningInit.AVERAGE_SOURCE_TASKS, 0)), 1e-6f);
  }

  private void refused(String reason, PromptLearningConfig config) {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> {
                  try (PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
                    PromptCase.logits(model);
                  }
                })
            .getMessage();
    assertTrue(message.contains(reason), message);
  }

  @Test
  void whatCannotWorkIsRefused() {
    refused("3 tasks", from(MultitaskPromptTuningInit.EXACT_SOURCE_TASK, 3));
    refused(
        "numTasks must be 1",
        from(MultitaskPromptTuningInit.AVERAGE_SOURCE_TASKS, 0).toBuilder().numTasks(2).build());
    refused("taskIds are missing", from(MultitaskPromptTuningInit.ONLY_SOURCE_SHARED, 0));
    refused("taskType must be CAUSAL_LM", CPTConfig.builder().cptTokenIds(List.of(5L)).build());
    refused("numLayers", PrefixTuningConfig.builder().numVirtualTokens(2).numLayers(1).build());
    assertThrows(
        IllegalArgumentException.class,
        () -> CartridgeConfig.builder().numVirtualTokens(2).numFrozenTokens(3).build());
    assertThrows(
        IllegalArgumentException.class,
        () -> CPTConfig.builder().cptTokenIds(List.of(5L, 6L)).cptMask(List.of(1L)).build());
  }

  @Test
  void rowsHaveTheirOwnTasks() {
    MultitaskPromptTuningConfig config =
        MultitaskPromptTuningConfig.builder().numVirtualTokens(3).numTasks(2).build();
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, config);
        TensorScope scope = TensorScope.open("test")) {
      Function<long[], Tensor> logits =
          tasks ->
              model
                  .forward(
                      PromptCase.batch().taskIds(Creation.ofLongs(tasks, tasks.length)).build())
                  .logits()
                  .orElseThrow();
      Tensor mixed = logits.apply(new long[] {1, 0});
      assertArrayEquals(
          logits.apply(new long[] {1, 1}).select(0, 0).toFloats(),
          mixed.select(0, 0).toFloats(),
          1e-5f);
      assertThrows(IllegalArgumentException.class, () -> logits.apply(new long[] {0, 2}));
      assertThrows(IllegalArgumentException.class, () -> logits.apply(new long[] {0}));
    }
  }

  @Test
  void layersWithoutRoomForAPrefixAreNamed() {
    try (SequenceClassification distil =
            AutoModelForSequenceClassification.fromPretrained(
                Goldens.path("prompt_distilbert_sequence/base"));
        PeftModelForTask model =
            Peft.getPeftModel(
                distil,
                PrefixTuningConfig.builder()
                    .taskType(TaskType.SEQ_CLS)
                    .numVirtualTokens(2)
                    .numLayers(2)
                    .numAttentionHeads(4)
                    .build())) {
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> model.forward(PromptCase.batch().build()))
              .getMessage();
      assertTrue(message.contains("DistilBertModel"), message);
    }
  }
}
