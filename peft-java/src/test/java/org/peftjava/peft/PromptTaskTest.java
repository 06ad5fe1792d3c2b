package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
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
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.SequenceClassification;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.tokenizer.Tokenizer;

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

  private static Map<String, float[]> start(CausalLM base, MultitaskPromptTuningConfig config) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
      Map<String, float[]> result = new TreeMap<>();
      model
          .namedParameters()
          .forEach(
              (name, value) -> {
                if (value.requiresGrad()) {
                  result.put(
                      name.replace("prompt_encoder.default.", ""), value.tensor().toFloats());
                }
              });
      return result;
    }
  }

  @Test
  void tokensStartAsLearnedOnesAndTasksAtRandom() {
    Map<String, float[]> start =
        start(
            base,
            from(MultitaskPromptTuningInit.ONLY_SOURCE_SHARED, 0).toBuilder().numTasks(4).build());
    try (TensorScope scope = TensorScope.open("source")) {
      Map<String, Tensor> source =
          Goldens.tensors("multitask_llama/adapter/adapter_model.safetensors");
      assertArrayEquals(
          source.get("prompt_embeddings").toFloats(), start.get("embedding.weight"), 0);
      float[] cols = start.get("prefix_task_cols");
      assertEquals(4 * 3 * 2, cols.length);
      double square = 0;
      for (float value : cols) {
        square += (double) value * value / cols.length;
      }
      assertEquals(0.02, Math.sqrt(square), 0.01, "normal numbers of deviation 0.02");
    }
  }

  /** The words of a text, over and over, as Python repeats them. */
  @Test
  void tokensStartAsThoseOfAText() {
    String folder = Goldens.path("tokenizer_kinds/word_level").toString();
    OptConfig shape =
        OptConfig.builder()
            .vocabSize(147)
            .hiddenSize(16)
            .ffnDim(32)
            .numHiddenLayers(1)
            .numAttentionHeads(2)
            .build();
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder);
        CausalLM wide = AutoModelForCausalLM.fromConfig(shape, DType.FLOAT32)) {
      long[] ids = tokenizer.encode("hello world , hello").inputIds()[0];
      MultitaskPromptTuningConfig config =
          MultitaskPromptTuningConfig.builder()
              .numVirtualTokens(ids.length + 1)
              .numTasks(2)
              .promptTuningInit(MultitaskPromptTuningInit.TEXT)
              .promptTuningInitText("hello world , hello")
              .tokenizerNameOrPath(folder)
              .build();
      float[] words = wide.backbone().inputEmbeddings().table().tensor().toFloats();
      float[] tokens = start(wide, config).get("embedding.weight");
      for (int token = 0; token <= ids.length; token++) {
        int row = 16 * (int) ids[token % ids.length];
        assertArrayEquals(
            Arrays.copyOfRange(words, row, row + 16),
            Arrays.copyOfRange(tokens, token * 16, (token + 1) * 16));
      }
    }
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
