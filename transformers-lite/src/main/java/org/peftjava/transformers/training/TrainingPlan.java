package org.peftjava.transformers.training;

/**
 * How many batches, steps and epochs a run has. Reference: {@code
 * Trainer.set_initial_training_values}.
 *
 * @param batchesPerEpoch forward and backward passes in an epoch
 * @param stepsPerEpoch optimizer steps in an epoch; the last one may have fewer batches
 * @param maxSteps optimizer steps in the run
 * @param epochs passes over the data that have begun when the run ends
 */
record TrainingPlan(int batchesPerEpoch, int stepsPerEpoch, int maxSteps, int epochs) {
  static TrainingPlan of(TrainingArguments args, int examples) {
    int batch = args.perDeviceTrainBatchSize();
    int batches = args.dataloaderDropLast() ? examples / batch : ceilDiv(examples, batch);
    if (batches == 0) {
      throw new IllegalArgumentException(
          "The training dataset has "
              + examples
              + " examples, less than one batch of "
              + batch
              + ", and dataloaderDropLast leaves incomplete batches out. Set it to false, or"
              + " perDeviceTrainBatchSize lower.");
    }
    int steps = ceilDiv(batches, args.gradientAccumulationSteps());
    int maxSteps =
        args.maxSteps() > 0
            ? args.maxSteps()
            : Math.toIntExact((long) Math.ceil(args.numTrainEpochs() * steps));
    return new TrainingPlan(batches, steps, maxSteps, ceilDiv(maxSteps, steps));
  }

  private static int ceilDiv(int value, int divisor) {
    return Math.toIntExact(((long) value + divisor - 1) / divisor);
  }
}
