package org.peftjava.transformers.training;

import java.util.Map;
import org.peftjava.torch.optim.LambdaLR;
import org.peftjava.torch.optim.MetricSchedule;
import org.peftjava.torch.optim.Optimizer;

/**
 * Learning-rate schedules for a training loop of one's own: the functions of Python's {@code
 * transformers.optimization}. A {@link Trainer} makes its own out of the arguments.
 */
public final class Optimization {
  private Optimization() {}

  /** The schedule of this name, such as "linear" or "cosine_with_restarts". */
  public static LambdaLR getScheduler(
      String name, Optimizer optimizer, long numWarmupSteps, long numTrainingSteps) {
    return getScheduler(SchedulerType.parse(name), optimizer, numWarmupSteps, numTrainingSteps);
  }

  /** The schedule of this kind. */
  public static LambdaLR getScheduler(
      SchedulerType name, Optimizer optimizer, long numWarmupSteps, long numTrainingSteps) {
    return getScheduler(name, optimizer, numWarmupSteps, numTrainingSteps, Map.of());
  }

  /**
   * The schedule of this kind.
   *
   * @param schedulerSpecificKwargs what {@link SchedulerType} says that it may have, by Python's
   *     names
   */
  public static LambdaLR getScheduler(
      SchedulerType name,
      Optimizer optimizer,
      long numWarmupSteps,
      long numTrainingSteps,
      Map<String, ?> schedulerSpecificKwargs) {
    return new LambdaLR(
        optimizer,
        name.schedule(
            numWarmupSteps, numTrainingSteps, optimizer.learningRate(), schedulerSpecificKwargs));
  }

  /** Always the optimizer's rate. */
  public static LambdaLR getConstantSchedule(Optimizer optimizer) {
    return getScheduler(SchedulerType.CONSTANT, optimizer, 0, 0);
  }

  /** Up during the warm-up, then the same. */
  public static LambdaLR getConstantScheduleWithWarmup(Optimizer optimizer, long numWarmupSteps) {
    return getScheduler(SchedulerType.CONSTANT_WITH_WARMUP, optimizer, numWarmupSteps, 0);
  }

  /** Up during the warm-up, then straight down to 0. */
  public static LambdaLR getLinearScheduleWithWarmup(
      Optimizer optimizer, long numWarmupSteps, long numTrainingSteps) {
    return getScheduler(SchedulerType.LINEAR, optimizer, numWarmupSteps, numTrainingSteps);
  }

  /** Up during the warm-up, then along half a cosine down to 0. */
  public static LambdaLR getCosineScheduleWithWarmup(
      Optimizer optimizer, long numWarmupSteps, long numTrainingSteps) {
    return getScheduler(SchedulerType.COSINE, optimizer, numWarmupSteps, numTrainingSteps);
  }

  /** Lower each time that what is measured has stopped getting better. */
  public static MetricSchedule getReduceOnPlateauSchedule(
      Optimizer optimizer, Map<String, ?> kwargs) {
    return SchedulerType.REDUCE_LR_ON_PLATEAU.metricSchedule(optimizer, kwargs);
  }

  /** Higher while what is measured gets better, lower while it does not. */
  public static MetricSchedule getGreedySchedule(Optimizer optimizer, Map<String, ?> kwargs) {
    return SchedulerType.GREEDY.metricSchedule(optimizer, kwargs);
  }
}
