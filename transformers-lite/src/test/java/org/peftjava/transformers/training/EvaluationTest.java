package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Losses and metrics of an evaluation. */
class EvaluationTest extends TrainingRuns {
  @Test
  void evaluationIsWeightedByTokens() {
    List<Example> examples =
        List.of(Example.of(2, 5, 6, 17, 8, 29, 31), Example.of(2, 9), Example.of(4, 11, 12));
    try (CausalLM model = TinyModels.opt(0.5)) {
      double sum = 0;
      model.eval();
      for (Example example : examples) {
        try (TensorScope scope = TensorScope.openGraph("test")) {
          TokenBatch batch =
              new DataCollatorForLanguageModeling(1, 1, Side.RIGHT).collate(List.of(example));
          sum += model.forward(batch).loss().orElseThrow().toDouble() * (example.length() - 1);
        }
      }
      Map<String, Double> metrics =
          Trainer.builder()
              .model(model)
              .args(TrainingArguments.builder().perDeviceEvalBatchSize(2).build())
              .evalDataset(Dataset.of(examples))
              .computeMetrics(
                  p -> Map.of("accuracy", accuracy(p), "rows", (double) p.labelIds().length))
              .build()
              .evaluate();
      assertEquals(sum / 9, metrics.get("eval_loss"), 1e-6);
      assertEquals(Math.exp(sum / 9), metrics.get("eval_perplexity"), 1e-4);
      assertEquals(3, metrics.get("eval_rows"));
      double accuracy = metrics.get("eval_accuracy");
      assertEquals(Math.rint(accuracy * 9), accuracy * 9, 1e-9);
    }
  }

  private static double accuracy(EvalPrediction prediction) {
    int right = 0;
    int all = 0;
    for (int row = 0; row < prediction.labelIds().length; row++) {
      long[] labels = prediction.labelIds()[row];
      for (int i = 1; i < labels.length; i++) {
        if (labels[i] != Example.IGNORED) {
          all++;
          right += prediction.predictions()[row][i - 1] == labels[i] ? 1 : 0;
        }
      }
    }
    assertEquals(9, all);
    return (double) right / all;
  }
}
