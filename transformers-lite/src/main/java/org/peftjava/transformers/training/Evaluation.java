package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLanguageModel;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * The loss of a model over a dataset, without gradients and without dropout.
 *
 * <p>{@code eval_loss} is the mean over all tokens that count, so that it does not depend on the
 * batch size; transformers averages the means of batches. {@code eval_perplexity}, of language
 * models, is its exponential; smoothed labels have none.
 */
final class Evaluation {
  private final PretrainedModel model;
  private final DataCollator collator;
  private final int batchSize;
  private final double labelSmoothing;
  private final @Nullable ComputeMetrics computeMetrics;
  private final @Nullable ComputeLossFunc computeLossFunc;
  private final @Nullable Consumer<GenerationConfig.Builder> generation;

  /**
   * An evaluation.
   *
   * @param generation how texts are written; null to take the likeliest token at each position
   */
  Evaluation(
      PretrainedModel model,
      DataCollator collator,
      int batchSize,
      double labelSmoothing,
      @Nullable ComputeMetrics computeMetrics,
      @Nullable ComputeLossFunc computeLossFunc,
      @Nullable Consumer<GenerationConfig.Builder> generation) {
    this.model = model;
    this.collator = collator;
    this.batchSize = batchSize;
    this.labelSmoothing = labelSmoothing;
    this.computeMetrics = computeMetrics;
    this.computeLossFunc = computeLossFunc;
    this.generation = generation;
  }

  /** The metrics of a dataset, with names that begin with the prefix and {@code _}. */
  Map<String, Double> run(Dataset dataset, String prefix) {
    return run(dataset, prefix + "_", computeMetrics != null).metrics();
  }

  /** The same with what the model says about each example. */
  PredictionOutput predict(Dataset dataset, String prefix) {
    return run(dataset, prefix + "_", true);
  }

  private PredictionOutput run(Dataset dataset, String prefix, boolean predicts) {
    boolean wasTraining = model.module().isTraining();
    model.module().eval();
    try (GradMode off = GradMode.noGrad()) {
      return measure(dataset, prefix, predicts);
    } finally {
      model.module().train(wasTraining);
    }
  }

  private PredictionOutput measure(Dataset dataset, String prefix, boolean predicts) {
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
                TrainingParts.input(model, batch, computeLossFunc == null)
                    .lossDivisor(1)
                    .labelSmoothing(labelSmoothing)
                    .outputLogits(computeLossFunc != null || (predicts && generation == null))
                    .build());
        Optional<Tensor> loss =
            computeLossFunc == null
                ? output.loss()
                : Optional.of(computeLossFunc.loss(output, batch, 1));
        lossSum += loss.map(Tensor::toDouble).orElse(0.0);
        targets += count;
        if (predicts && generation != null) {
          predictions.add(written(batch, generation), batch);
        } else if (predicts) {
          predictions.add(output, batch);
        }
      }
    }
    return new PredictionOutput(
        predictions.collected(), metrics(dataset, prefix, predictions, lossSum / targets, start));
  }

  /** Texts that the model writes for those of a batch. */
  private TokenIds written(TokenBatch batch, Consumer<GenerationConfig.Builder> settings) {
    if (!(model instanceof Seq2SeqLanguageModel writer)) {
      throw new IllegalArgumentException(
          "predictWithGenerate is for models that write text from text, not for "
              + model.getClass().getSimpleName()
              + ". Set it to false.");
    }
    return writer.generate(batch.withoutLabels(), settings);
  }

  private Map<String, Double> metrics(
      Dataset dataset, String prefix, Predictions predictions, double loss, long start) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    metrics.put(prefix + "loss", loss);
    if (model.shiftsLabels() && labelSmoothing == 0 && computeLossFunc == null) {
      metrics.put(prefix + "perplexity", Math.exp(loss));
    }
    if (computeMetrics != null) {
      computeMetrics
          .compute(predictions.collected())
          .forEach(
              (name, value) -> metrics.put(name.startsWith(prefix) ? name : prefix + name, value));
    }
    double seconds = Math.max(1e-9, (System.nanoTime() - start) / 1e9);
    metrics.put(prefix + "runtime", seconds);
    metrics.put(prefix + "samples_per_second", dataset.size() / seconds);
    int batches = (dataset.size() + batchSize - 1) / batchSize;
    metrics.put(prefix + "steps_per_second", batches / seconds);
    return metrics;
  }
}
