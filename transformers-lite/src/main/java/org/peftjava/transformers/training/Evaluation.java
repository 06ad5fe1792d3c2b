package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * The loss of a model over a dataset, without gradients and without dropout.
 *
 * <p>{@code eval_loss} is the mean over all tokens that count, so that it does not depend on the
 * batch size; transformers averages the means of batches. {@code eval_perplexity}, of language
 * models, is its exponential.
 */
final class Evaluation {
  private final PretrainedModel model;
  private final DataCollator collator;
  private final int batchSize;
  private final @Nullable ComputeMetrics computeMetrics;

  Evaluation(
      PretrainedModel model,
      DataCollator collator,
      int batchSize,
      @Nullable ComputeMetrics computeMetrics) {
    this.model = model;
    this.collator = collator;
    this.batchSize = batchSize;
    this.computeMetrics = computeMetrics;
  }

  Map<String, Double> run(Dataset dataset) {
    boolean wasTraining = model.module().isTraining();
    model.module().eval();
    try (GradMode off = GradMode.noGrad()) {
      return measure(dataset);
    } finally {
      model.module().train(wasTraining);
    }
  }

  private Map<String, Double> measure(Dataset dataset) {
    long start = System.nanoTime();
    List<int[]> batches =
        BatchOrder.batches(BatchOrder.sequential(dataset.size()), batchSize, false);
    Predictions predictions = new Predictions();
    double lossSum = 0;
    long targets = 0;
    for (int[] indices : batches) {
      TokenBatch batch = collator.collate(Arrays.stream(indices).mapToObj(dataset::get).toList());
      long count = MicroBatches.targets(batch, model.shiftsLabels());
      try (TensorScope scope = TensorScope.openGraph("evaluation batch")) {
        // Divided by 1: the sum over the tokens.
        ModelOutput output =
            model.forward(
                ModelInput.of(batch, model.device()).toBuilder()
                    .lossDivisor(1)
                    .outputLogits(computeMetrics != null)
                    .build());
        lossSum += output.loss().map(Tensor::toDouble).orElse(0.0);
        targets += count;
        if (computeMetrics != null) {
          predictions.add(output, batch);
        }
      }
    }
    Map<String, Double> metrics = new LinkedHashMap<>();
    double loss = lossSum / targets;
    metrics.put("eval_loss", loss);
    if (model.shiftsLabels()) {
      metrics.put("eval_perplexity", Math.exp(loss));
    }
    if (computeMetrics != null) {
      computeMetrics
          .compute(predictions.collected())
          .forEach(
              (name, value) ->
                  metrics.put(name.startsWith("eval_") ? name : "eval_" + name, value));
    }
    double seconds = Math.max(1e-9, (System.nanoTime() - start) / 1e9);
    metrics.put("eval_runtime", seconds);
    metrics.put("eval_samples_per_second", dataset.size() / seconds);
    metrics.put("eval_steps_per_second", batches.size() / seconds);
    return metrics;
  }
}
