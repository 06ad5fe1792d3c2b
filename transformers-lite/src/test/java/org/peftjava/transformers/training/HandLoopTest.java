package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.LambdaLR;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** A training loop of one's own, and what a trainer does beside training. */
class HandLoopTest extends TrainingRuns {
  private static final DataCollator COLLATOR =
      new DataCollatorForLanguageModeling(1, 1, Side.RIGHT);

  private static DataLoader loader(int batchSize, boolean shuffle, boolean dropLast) {
    return DataLoader.of(
        DATA,
        o ->
            o.batchSize(batchSize).shuffle(shuffle).dropLast(dropLast).collateFn(COLLATOR).seed(5));
  }

  private static List<String> rows(Iterable<TokenBatch> batches) {
    return StreamSupport.stream(batches.spliterator(), false)
        .flatMap(batch -> Arrays.stream(batch.inputIds()))
        .map(row -> Arrays.toString(Arrays.stream(row).filter(id -> id != 1).toArray()))
        .toList();
  }

  @Test
  void eachPassIsAnEpoch() {
    DataLoader ordered = loader(4, false, false);
    assertEquals(3, ordered.length());
    List<String> all = rows(ordered);
    assertEquals(DATA.size(), all.size());
    assertEquals(Arrays.toString(DATA.get(0).inputIds()), all.get(0));
    assertEquals(all, rows(ordered));

    DataLoader shuffled = loader(4, true, false);
    List<String> first = rows(shuffled);
    List<String> second = rows(shuffled);
    assertNotEquals(first, second);
    assertEquals(all.stream().sorted().toList(), first.stream().sorted().toList());
    assertEquals(all.stream().sorted().toList(), second.stream().sorted().toList());
    assertEquals(first, rows(loader(4, true, false)), "the same seed, the same orders");

    DataLoader whole = loader(4, true, true);
    assertEquals(2, whole.length());
    assertEquals(8, rows(whole).size());
    assertTrue(
        assertThrows(IllegalArgumentException.class, () -> DataLoader.of(DATA, o -> o.batchSize(2)))
            .getMessage()
            .startsWith("A DataLoader needs to know how examples become a batch."));
    assertThrows(
        IllegalArgumentException.class,
        () -> DataLoader.of(DATA, o -> o.batchSize(0).collateFn(COLLATOR)));
  }

  /** Steps of one's own, in the trainer's order of examples, are the trainer's steps. */
  @Test
  void theLoopOfTheGuideIsTheTrainers() {
    TrainingArguments args =
        TrainingArguments.builder()
            .perDeviceTrainBatchSize(4)
            .trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)
            .learningRate(0.01)
            .numTrainEpochs(2)
            .maxGradNorm(0)
            .saveStrategy(SaveStrategy.NO)
            .build();
    Map<String, float[]> expected;
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer.builder().model(model).args(args).trainDataset(DATA).build().train();
      expected = TinyModels.weights(model);
    }
    try (CausalLM model = TinyModels.opt(0);
        AdamW optimizer =
            new AdamW(model.namedParameters(), new AdamW.Options(0.01, 0.9, 0.999, 1e-8, 0))) {
      DataLoader loader = loader(4, false, false);
      LambdaLR scheduler =
          Optimization.getLinearScheduleWithWarmup(optimizer, 0, 2L * loader.length());
      model.train();
      for (int epoch = 0; epoch < 2; epoch++) {
        for (TokenBatch batch : loader) {
          try (TensorScope step = TensorScope.openGraph("step")) {
            model.forward(batch).loss().orElseThrow().backward();
            optimizer.step();
            scheduler.step();
            optimizer.zeroGrad();
          }
        }
      }
      assertEquals(6, scheduler.lastEpoch());
      assertEquals(0, scheduler.getLastLr());
      Map<String, float[]> actual = TinyModels.weights(model);
      expected.forEach((name, values) -> assertArrayEquals(values, actual.get(name), 1e-5f, name));
    }
  }

  @Test
  void predictionsComeBesideTheirMetrics() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .evalDataset(DATA)
              .computeMetrics(p -> Map.of("rows", (double) p.labelIds().length))
              .build();
      PredictionOutput output = trainer.predict(DATA);
      assertEquals(DATA.size(), output.predictions().predictions().length);
      assertEquals(trainer.evaluate().get("eval_loss"), output.metrics().get("test_loss"), 1e-9);
      assertEquals(11, output.metrics().get("test_rows"));
      assertTrue(output.metrics().keySet().stream().allMatch(key -> key.startsWith("test_")));
      try (TensorScope scope = TensorScope.openGraph("test")) {
        TokenBatch one = COLLATOR.collate(List.of(DATA.get(3)));
        long[] likeliest =
            model.forward(one).logits().isPresent()
                ? model.forward(one).logits().get().argmax(-1).toLongs()
                : new long[0];
        long[] row = output.predictions().predictions()[3];
        assertArrayEquals(likeliest, Arrays.copyOf(row, likeliest.length));
      }
    }
  }

  // ---- early stopping ----

  private static int steps(double learningRate, EarlyStoppingCallback stopping) {
    try (CausalLM model = TinyModels.opt(0)) {
      TrainingArguments args =
          TrainingArguments.builder()
              .perDeviceTrainBatchSize(11)
              .learningRate(learningRate)
              .lrSchedulerType(SchedulerType.CONSTANT)
              .maxSteps(9)
              .evalStrategy(IntervalStrategy.STEPS)
              .evalSteps(1)
              .saveStrategy(SaveStrategy.NO)
              .build();
      return Trainer.builder()
          .model(model)
          .args(args)
          .trainDataset(DATA)
          .evalDataset(DATA)
          .callbacks(stopping)
          .build()
          .train()
          .globalStep();
    }
  }

  @Test
  void aRunThatDoesNotGetBetterEnds() {
    assertEquals(9, steps(1e-3, new EarlyStoppingCallback(1)));
    // Nothing is learned: no evaluation is better than the first.
    assertEquals(3, steps(0, new EarlyStoppingCallback(2)));
    assertEquals(4, steps(0, new EarlyStoppingCallback(3)));
    // It gets better, but never by so much.
    assertEquals(3, steps(1e-3, new EarlyStoppingCallback(2, 100)));
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(TrainingArguments.builder().maxSteps(1).saveStrategy(SaveStrategy.NO).build())
              .trainDataset(DATA)
              .callbacks(new EarlyStoppingCallback(1))
              .build();
      assertTrue(
          assertThrows(IllegalArgumentException.class, trainer::train)
              .getMessage()
              .startsWith("EarlyStoppingCallback needs evaluations"));
    }
    assertThrows(IllegalArgumentException.class, () -> new EarlyStoppingCallback(0));
  }

  @Test
  void callbacksHearOfEpochsAndSteps() {
    List<String> heard = new ArrayList<>();
    TrainerCallback callback =
        new TrainerCallback() {
          @Override
          public void onEpochBegin(TrainingProgress progress) {
            heard.add("epoch at " + progress.state().globalStep());
          }

          @Override
          public void onStepBegin(TrainingProgress progress) {
            heard.add("step " + progress.state().globalStep());
          }

          @Override
          public void onEpochEnd(TrainingProgress progress) {
            heard.add("end at " + progress.state().epoch());
          }
        };
    try (CausalLM model = TinyModels.opt(0)) {
      TrainingArguments args =
          TrainingArguments.builder()
              .perDeviceTrainBatchSize(6)
              .numTrainEpochs(2)
              .optim(OptimizerNames.ADAMW_TORCH_FUSED)
              .saveStrategy(SaveStrategy.NO)
              .build();
      Trainer.builder()
          .model(model)
          .args(args)
          .trainDataset(DATA)
          .callbacks(callback)
          .build()
          .train();
    }
    assertEquals(
        List.of(
            "epoch at 0",
            "step 0",
            "step 1",
            "end at 1.0",
            "epoch at 2",
            "step 2",
            "step 3",
            "end at 2.0"),
        heard);
  }

  @Test
  void collatorsRoundLengthsUp() {
    List<Example> examples = List.of(Example.ofTarget(new long[] {3, 4, 5}, new long[] {6, 2}));
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(Goldens.folder("tokenizer/fast"))) {
      assertEquals(8, DataCollatorForSeq2Seq.of(tokenizer, 8).collate(examples).length());
      assertEquals(3, DataCollatorForSeq2Seq.of(tokenizer).collate(examples).length());
      assertEquals(
          4,
          DataCollatorForLanguageModeling.of(tokenizer, 4)
              .collate(List.of(Example.of(3, 4)))
              .length());
      assertEquals(
          4,
          DataCollatorWithPadding.of(tokenizer, 4)
              .collate(List.of(Example.ofText(new long[] {3, 4}, 1)))
              .length());
    }
  }
}
