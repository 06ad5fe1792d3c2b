package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Training of an encoder-decoder: batches, loss, and that it learns to write. */
class Seq2SeqTrainerTest {
  private static final List<Example> EXAMPLES =
      List.of(
          Example.ofTarget(new long[] {5, 6, 7, 1}, new long[] {7, 6, 5, 1}),
          Example.ofTarget(new long[] {8, 9, 1}, new long[] {9, 8, 1}),
          Example.ofTarget(new long[] {20, 21, 22, 1}, new long[] {30, 1}),
          Example.ofTarget(new long[] {12, 1}, new long[] {13, 14, 15, 16, 1}));

  private static Seq2SeqLM model() {
    return AutoModelForSeq2SeqLM.fromPretrained(Goldens.folder("t5_v10").resolve("model"));
  }

  @Test
  void sourcesAndTargetsArePaddedEach() {
    TokenBatch right = new DataCollatorForSeq2Seq(0, 1, Side.RIGHT).collate(EXAMPLES.subList(2, 4));
    assertArrayEquals(new long[][] {{20, 21, 22, 1}, {12, 1, 0, 0}}, right.inputIds());
    assertArrayEquals(new long[][] {{1, 1, 1, 1}, {1, 1, 0, 0}}, right.attentionMask());
    assertArrayEquals(
        new long[][] {{30, 1, -100, -100, -100}, {13, 14, 15, 16, 1}},
        right.labels().orElseThrow());
    TokenBatch left = new DataCollatorForSeq2Seq(3, 4, Side.LEFT).collate(EXAMPLES.subList(1, 3));
    assertArrayEquals(new long[][] {{3, 8, 9, 1}, {20, 21, 22, 1}}, left.inputIds());
    assertArrayEquals(
        new long[][] {{-100, 9, 8, 1}, {-100, -100, 30, 1}}, left.labels().orElseThrow());
  }

  @Test
  void theLossOfAnEvaluationIsThatOfPython(@TempDir Path folder) {
    try (Seq2SeqLM model = model();
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v10");
      long[][] ids = Goldens.rows(golden.get("in.input_ids"));
      long[][] labels = Goldens.rows(golden.get("in.labels"));
      List<Example> examples = new ArrayList<>();
      for (int row = 0; row < ids.length; row++) {
        examples.add(
            Example.ofTarget(
                Arrays.stream(ids[row]).filter(id -> id != 0).toArray(),
                Arrays.stream(labels[row]).filter(id -> id != Example.IGNORED).toArray()));
      }
      Map<String, Double> metrics =
          Trainer.builder()
              .model(model)
              .args(TrainingArguments.builder().outputDir(folder).build())
              .evalDataset(Dataset.of(examples))
              .computeMetrics(p -> Map.of("rows", (double) p.predictions().length))
              .build()
              .evaluate();
      assertEquals(golden.get("labels.loss").toDouble(), metrics.get("eval_loss"), 1e-4);
      assertEquals(2, metrics.get("eval_rows"));
    }
  }

  @Test
  void itLearnsToWrite(@TempDir Path folder) {
    try (Seq2SeqLM model = model()) {
      TrainOutput output =
          Trainer.builder()
              .model(model)
              .args(
                  TrainingArguments.builder()
                      .outputDir(folder)
                      .maxSteps(200)
                      .perDeviceTrainBatchSize(4)
                      .learningRate(0.01)
                      .saveStrategy(SaveStrategy.NO)
                      .build())
              .trainDataset(Dataset.of(EXAMPLES))
              .build()
              .train();
      assertEquals(200, output.globalStep());
      for (Example example : EXAMPLES) {
        long[] written =
            model
                .generate(TokenBatch.of(new long[][] {example.inputIds()}), g -> g.maxNewTokens(8))
                .get(0);
        assertArrayEquals(
            example.labels(), Arrays.copyOfRange(written, 1, written.length), example::toString);
      }
    }
  }

  /** Texts in place of likeliest tokens, as transformers' Seq2SeqTrainer writes them. */
  @Test
  void predictionsThatAreGenerated(@TempDir Path folder) throws IOException {
    for (JsonNode row :
        new ObjectMapper().readTree(Goldens.folder("predict_with_generate.json").toFile())) {
      JsonNode given = row.get("arguments");
      TrainingArguments.Builder args =
          TrainingArguments.builder()
              .outputDir(folder)
              .perDeviceEvalBatchSize(3)
              .predictWithGenerate(true)
              .labelSmoothingFactor(given.path("label_smoothing_factor").asDouble(0));
      if (given.has("generation_max_length")) {
        args.generationMaxLength(given.get("generation_max_length").asInt());
      }
      if (given.has("generation_num_beams")) {
        args.generationNumBeams(given.get("generation_num_beams").asInt());
      }
      List<Example> examples = new ArrayList<>();
      row.get("rows")
          .forEach(
              each ->
                  examples.add(
                      Example.ofTarget(longs(each.get("input_ids")), longs(each.get("labels")))));
      try (Seq2SeqLM model = model()) {
        Trainer trainer = Trainer.builder().model(model).args(args.build()).build();
        PredictionOutput output =
            trainer.predict(
                Dataset.of(examples),
                settings -> {
                  if (row.get("kwargs").has("max_length")) {
                    settings.maxLength(row.get("kwargs").get("max_length").asInt());
                  }
                  if (row.get("kwargs").has("max_new_tokens")) {
                    settings.maxNewTokens(row.get("kwargs").get("max_new_tokens").asInt());
                  }
                });
        assertEquals(row.get("loss").asDouble(), output.metrics().get("test_loss"), 1e-4);
        long[][] predictions = output.predictions().predictions();
        assertEquals(row.get("predictions").size(), predictions.length);
        for (int i = 0; i < predictions.length; i++) {
          assertArrayEquals(longs(row.get("predictions").get(i)), trimmed(predictions[i]));
          assertEquals(examples.get(i).labels()[0], output.predictions().labelIds()[i][0]);
        }
      }
    }
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }

  /** Without padding behind. */
  private static long[] trimmed(long[] ids) {
    int end = ids.length;
    while (end > 0 && ids[end - 1] == 0) {
      end--;
    }
    return Arrays.copyOf(ids, end);
  }

  @Test
  void modelsWithoutDecoderWriteNothing() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(TrainingArguments.builder().predictWithGenerate(true).build())
              .build();
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class,
              () -> trainer.predict(Dataset.of(TinyModels.counting(2))));
      assertTrue(error.getMessage().contains("write text from text, not for CausalLM"));
    }
  }

  @Test
  void examplesWithoutTargetAreRefused() {
    try (Seq2SeqLM model = model()) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .trainDataset(Dataset.of(List.of(Example.of(4, 5))))
              .build();
      IllegalArgumentException error = assertThrows(IllegalArgumentException.class, trainer::train);
      assertTrue(error.getMessage().contains("Example.ofTarget"), error::getMessage);
    }
  }
}
