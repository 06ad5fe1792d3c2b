package org.peftjava.transformers.training;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLanguageModel;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a trainer was built of; shared by its training runs and evaluations. */
record TrainingParts(
    PretrainedModel model,
    TrainingArguments args,
    @Nullable Dataset trainDataset,
    @Nullable EvalData evalData,
    @Nullable Tokenizer tokenizer,
    DataCollator collator,
    List<TrainerCallback> callbacks,
    @Nullable ComputeMetrics computeMetrics,
    @Nullable ComputeLossFunc computeLossFunc,
    @Nullable Optimizer optimizer) {
  private static final Logger LOG = LoggerFactory.getLogger(Trainer.class);

  /** The model or adapter, with its tokenizer, in a folder that Python loads too. */
  void savePretrained(Path folder) {
    model.savePretrained(folder);
    if (tokenizer != null) {
      tokenizer.savePretrained(folder);
    }
  }

  /**
   * What a model is given for a batch. For a loss that is not the model's own it shows its logits,
   * and computes none itself; encoder-decoders need the labels all the same.
   */
  static ModelInput.Builder input(PretrainedModel model, TokenBatch batch, boolean ownLoss) {
    ModelInput.Builder input = ModelInput.of(batch, model.device()).toBuilder();
    return ownLoss || model instanceof Seq2SeqLanguageModel
        ? input.outputLogits(!ownLoss)
        : input.labels(null);
  }

  /** The loss of a batch, by the given function or the model's own. */
  Tensor loss(ModelOutput output, TokenBatch batch, double items) {
    return computeLossFunc == null
        ? output
            .loss()
            .orElseThrow(() -> new IllegalStateException("The model returned no loss for labels."))
        : computeLossFunc.loss(output, batch, items);
  }

  /** Tells whoever reads the log. */
  static void log(Map<String, Double> line) {
    if (LOG.isInfoEnabled()) {
      LOG.info(LogText.of(line));
    }
  }

  /**
   * An evaluation.
   *
   * @param settings how texts are written, if {@code predictWithGenerate} wants that
   */
  Evaluation evaluation(Consumer<GenerationConfig.Builder> settings) {
    Consumer<GenerationConfig.Builder> generation =
        builder -> {
          args.generationMaxLength().ifPresent(builder::maxLength);
          args.generationNumBeams().ifPresent(builder::numBeams);
          settings.accept(builder);
        };
    return new Evaluation(
        model,
        collator,
        args.perDeviceEvalBatchSize(),
        labelSmoothing(),
        computeMetrics,
        computeLossFunc,
        args.predictWithGenerate() ? generation : null);
  }

  /** The share of labels to smooth, of models whose labels can be. */
  double labelSmoothing() {
    double factor = args.labelSmoothingFactor();
    String problem =
        model.learnsSpans()
            ? "question answering"
            : model.config().json().getString("problem_type", "");
    boolean impossible = model.learnsSpans() || problem.equals(Labels.MULTI_LABEL);
    if (factor != 0 && impossible) {
      LOG.warn("labelSmoothingFactor is not for {}: labels are not smoothed.", problem);
    }
    return impossible ? 0 : factor;
  }

  /** How much noise embeddings get in training: none in encoder-decoders, as in transformers 5. */
  double embeddingNoise() {
    double alpha = args.neftuneNoiseAlpha().orElse(0);
    if (alpha != 0 && model.config().json().getBoolean("is_encoder_decoder", false)) {
      LOG.warn("neftuneNoiseAlpha is not for encoder-decoders: there is no noise.");
      return 0;
    }
    return alpha;
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
