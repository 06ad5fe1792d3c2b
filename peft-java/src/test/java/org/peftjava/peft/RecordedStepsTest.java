package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.AdapterRows;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.StepRecorders;
import org.peftjava.torch.cuda.RepeatingRecorder;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.generation.LogitsProcessor;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Generations through adapters write the same where steps are recorded and repeated. */
@ExtendWith(LedgerCheck.class)
class RecordedStepsTest {
  private static final String BASE = "llama_lora/base";
  private static final String ROWS = "mixed_batches/llama";
  private static final TokenBatch PROMPTS =
      TokenBatch.of(
          new long[][] {{5, 6, 7, 4}, {1, 9, 3, 4}}, new long[][] {{1, 1, 1, 1}, {0, 1, 1, 1}});

  private final RepeatingRecorder recorder = new RepeatingRecorder();

  private static void settings(GenerationConfig.Builder builder) {
    builder.maxNewTokens(12).doSample(false).eosTokenId().padTokenId(1);
  }

  /** Generates with and without recordings, and counts what was repeated. */
  private int repeated(PeftModelForCausalLM model, Function<PeftModelForCausalLM, long[][]> work) {
    long[][] expected = work.apply(model);
    int before = recorder.replayed();
    try (CardTensors.Closing standIn = StepRecorders.standIn(model.device(), recorder)) {
      assertArrayEquals(expected, work.apply(model));
    }
    assertEquals(0, recorder.open());
    return recorder.replayed() - before;
  }

  private static long[][] generate(PeftModelForCausalLM model) {
    return model.generate(PROMPTS, RecordedStepsTest::settings).ids();
  }

  /** Every method, on whatever base its golden data has; Poly asks for the tasks of rows. */
  @ParameterizedTest
  @MethodSource("org.peftjava.peft.TunerCase#names")
  void everyMethod(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      model.eval();
      TokenBatch batch = name.contains("poly") ? PROMPTS.withTaskIds(0, 1) : PROMPTS;
      int repeated = repeated(model, m -> m.generate(batch, RecordedStepsTest::settings).ids());
      assertTrue(repeated == 0 || repeated == 10, () -> repeated + " steps");
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void lowRanks(boolean quantized) {
    LoraConfig lora =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(9)
            .targetModules("q_proj", "v_proj", "down_proj")
            .initLoraWeights(false)
            .taskType(TaskType.CAUSAL_LM)
            .build();
    Randomness.manualSeed(2);
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path(BASE))) {
      if (quantized) {
        BitsAndBytesConfig.builder()
            .loadIn4bit(true)
            .bnb4bitQuantType(QuantType.NF4)
            .bnb4bitComputeDtype(DType.FLOAT32)
            .build()
            .applyTo(base.module());
      }
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, lora)) {
        model.eval();
        assertEquals(10, repeated(model, RecordedStepsTest::generate));
        assertEquals(
            10, repeated(model, m -> m.withoutAdapter(() -> RecordedStepsTest.generate(m))));
        model.train();
        assertEquals(0, repeated(model, RecordedStepsTest::generate));
      }
    }
  }

  /** Two adapters over one base, for texts of rows or of all. */
  private void withTwo(Consumer<PeftModelForCausalLM> check) {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path(BASE));
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(base, Goldens.path(ROWS).toString())) {
      model.loadAdapter(Goldens.path(ROWS + "/b"), options -> options.adapterName("b"));
      model.eval();
      check.accept(model);
    }
  }

  /** Rows with adapters of their own are another pass each time, for all the recording knows. */
  @Test
  void adaptersOfRows() {
    PassOptions options = PassOptions.builder().adapterNames("b", AdapterRows.BASE).build();
    withTwo(
        model ->
            assertEquals(
                0,
                repeated(
                    model, m -> m.generate(PROMPTS, RecordedStepsTest::settings, options).ids())));
  }

  /** What the generating thread itself changes between two steps is in the next one. */
  @Test
  void changesBetweenSteps() {
    withTwo(
        model -> {
          int[] steps = new int[1];
          LogitsProcessor switching =
              (ids, logits) -> {
                steps[0]++;
                if (steps[0] == 5) {
                  model.setAdapter("b");
                }
                return logits;
              };
          GenerateOptions options = GenerateOptions.builder().logitsProcessor(switching).build();
          int repeated =
              repeated(
                  model,
                  m -> {
                    m.setAdapter("default");
                    steps[0] = 0;
                    return m.generate(PROMPTS, RecordedStepsTest::settings, options).ids();
                  });
          // 4 steps, of which one is rehearsed, and 7 after the change, of which one is again
          assertEquals(3 + 6, repeated);
          assertEquals(List.of("b"), model.activeAdapters());
        });
  }

  /** What asks the base between all steps is served without recordings after a few. */
  @Test
  void changesBetweenAllSteps() {
    withTwo(
        model -> {
          LogitsProcessor asking = (ids, logits) -> model.withoutAdapter(() -> logits.mul(1));
          GenerateOptions options = GenerateOptions.builder().logitsProcessor(asking).build();
          assertEquals(
              0,
              repeated(
                  model, m -> m.generate(PROMPTS, RecordedStepsTest::settings, options).ids()));
        });
  }
}
