package org.peftjava.transformers.training;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** What a trainer was built of; shared by its training runs and evaluations. */
record TrainingParts(
    PretrainedModel model,
    TrainingArguments args,
    @Nullable Dataset trainDataset,
    @Nullable Dataset evalDataset,
    @Nullable Tokenizer tokenizer,
    DataCollator collator,
    List<TrainerCallback> callbacks,
    @Nullable ComputeMetrics computeMetrics,
    @Nullable Optimizer optimizer) {

  /** The model or adapter, with its tokenizer, in a folder that Python loads too. */
  void savePretrained(Path folder) {
    model.savePretrained(folder);
    if (tokenizer != null) {
      tokenizer.savePretrained(folder);
    }
  }

  Map<String, Double> evaluate(Dataset dataset) {
    return evaluation().run(dataset);
  }

  Evaluation evaluation() {
    return new Evaluation(model, collator, args.perDeviceEvalBatchSize(), computeMetrics);
  }

  /** What fixes which examples a step sees. */
  Map<String, String> dataOrder(int examples) {
    return Map.of(
        "examples", Integer.toString(examples),
        "perDeviceTrainBatchSize", Integer.toString(args.perDeviceTrainBatchSize()),
        "gradientAccumulationSteps", Integer.toString(args.gradientAccumulationSteps()),
        "trainSamplingStrategy", args.trainSamplingStrategy().name(),
        "dataloaderDropLast", Boolean.toString(args.dataloaderDropLast()),
        "dataSeed", Long.toString(args.dataSeed().orElse(args.seed())));
  }
}
