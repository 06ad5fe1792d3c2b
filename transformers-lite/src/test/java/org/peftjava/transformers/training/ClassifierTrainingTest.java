package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.SequenceClassification;
import org.peftjava.transformers.TinyBert;
import org.peftjava.transformers.TokenClassification;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Classifiers in the Trainer: labels of texts, numbers, labels of tokens. */
class ClassifierTrainingTest extends TrainingRuns {
  /** Texts of 2 to 5 tokens whose label is that of their first token, modulo 3. */
  private static List<Example> texts() {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      long[] ids = new long[2 + i % 4];
      for (int at = 0; at < ids.length; at++) {
        ids[at] = 3 + (7L * i + 5L * at) % 27;
      }
      examples.add(Example.ofText(ids, ids[0] % 3).withTokenTypeIds(new long[ids.length]));
    }
    return examples;
  }

  private static Trainer trainer(
      PretrainedModel model, List<Example> data, TrainingArguments args) {
    return Trainer.builder()
        .model(model)
        .args(args)
        .trainDataset(Dataset.of(data))
        .evalDataset(Dataset.of(data))
        .computeMetrics(
            p -> {
              int right = 0;
              for (int i = 0; i < p.predictions().length; i++) {
                right += p.predictions()[i][0] == p.labelIds()[i][0] ? 1 : 0;
              }
              return Map.of("accuracy", right / (double) p.predictions().length);
            })
        .build();
  }

  @Test
  void aTextClassifierLearns() {
    try (SequenceClassification model = TinyBert.classifier(TinyBert.config().numLabels(3))) {
      Trainer trainer =
          trainer(
              model, texts(), arguments().maxSteps(40).saveSteps(40).learningRate(0.01).build());
      double before = trainer.evaluate().get("eval_loss");
      trainer.train();
      Map<String, Double> after = trainer.evaluate();
      assertTrue(after.get("eval_loss") < before / 4, after::toString);
      assertTrue(after.get("eval_accuracy") > 0.9, after::toString);
      assertFalse(after.containsKey("eval_perplexity"));
      assertEquals("single_label_classification", model.config().json().getString("problem_type"));
      assertEquals(List.of("checkpoint-40"), names());
    }
  }

  /** Four texts at once or in two halves: the loss is the mean over the texts either way. */
  @Test
  void accumulationChangesNothing() {
    List<Tensor> weights = new ArrayList<>();
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      for (int size : new int[] {4, 2}) {
        try (SequenceClassification model = TinyBert.classifier(TinyBert.config().numLabels(3))) {
          TrainingArguments args =
              threeSteps()
                  .perDeviceTrainBatchSize(size)
                  .gradientAccumulationSteps(4 / size)
                  .build();
          try (GradMode on = GradMode.enableGrad()) {
            trainer(model, texts(), args).train();
          }
          weights.add(model.namedParameters().get("classifier.weight").tensor().copy());
        }
      }
      assertClose(weights.get(0), weights.get(1), 1e-4);
    }
  }

  @Test
  void numbersAndLabelsOfTokensAreLearned() {
    List<Example> numbers =
        texts().stream()
            .map(example -> Example.ofText(example.inputIds(), example.inputIds()[0] / 30f, 0.5f))
            .toList();
    try (SequenceClassification model =
        TinyBert.classifier(TinyBert.config().numLabels(2).problemType("regression"))) {
      assertLearns(model, numbers);
    }
    List<Example> tokens =
        texts().stream()
            .map(
                example -> {
                  long[] labels = example.inputIds().clone();
                  for (int i = 0; i < labels.length; i++) {
                    labels[i] %= 3;
                  }
                  return new Example(example.inputIds(), labels);
                })
            .toList();
    try (TokenClassification model =
        TinyBert.model(
            AutoModelForTokenClassification::fromConfig, TinyBert.config().numLabels(3).build())) {
      assertLearns(model, tokens);
    }
  }

  private void assertLearns(PretrainedModel model, List<Example> data) {
    Trainer trainer =
        Trainer.builder()
            .model(model)
            .args(arguments().maxSteps(40).learningRate(0.01).saveStrategy(SaveStrategy.NO).build())
            .trainDataset(Dataset.of(data))
            .evalDataset(Dataset.of(data))
            .build();
    double before = trainer.evaluate().get("eval_loss");
    trainer.train();
    double after = trainer.evaluate().get("eval_loss");
    assertTrue(after < before / 3, before + " to " + after);
  }

  @Test
  void paddingOfTexts() {
    DataCollatorWithPadding left = new DataCollatorWithPadding(9, 4, Side.LEFT);
    TokenBatch batch =
        left.collate(
            List.of(
                Example.ofText(new long[] {3, 4, 5, 6, 7}, 1).withTokenTypeIds(0, 0, 1, 1, 1),
                Example.ofText(new long[] {8, 2}, 2).withTokenTypeIds(1, 1)));
    assertEquals(
        new TokenBatch(
            new long[][] {{9, 9, 9, 3, 4, 5, 6, 7}, {9, 9, 9, 9, 9, 9, 8, 2}},
            new long[][] {{0, 0, 0, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 0, 0, 1, 1}},
            Optional.of(new long[][] {{1}, {2}}),
            Optional.of(new long[][] {{0, 0, 0, 0, 0, 1, 1, 1}, {0, 0, 0, 0, 0, 0, 1, 1}}),
            Optional.empty(),
            Optional.empty(),
            Optional.empty()),
        batch);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            left.collate(
                List.of(
                    Example.ofText(new long[] {3}, 0.5f), Example.ofText(new long[] {3, 4}, 1))));
  }

  @Test
  void labelsOutsideAreNamedBeforeTheFirstStep() {
    List<Example> data = List.of(Example.ofText(new long[] {3, 4}, 3));
    try (SequenceClassification model = TinyBert.classifier(TinyBert.config().numLabels(3))) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> trainer(model, data, threeSteps().build()).train())
              .getMessage();
      assertEquals(
          "Example 0 of the evaluation dataset has label 3 at position 0, outside the model's"
              + " labels, 3 of them. Expected one of them, or -100. Load the model with"
              + " numLabels(…) if there are more.",
          message);
    }
  }
}
