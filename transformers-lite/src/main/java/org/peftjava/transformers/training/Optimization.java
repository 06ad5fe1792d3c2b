package org.peftjava.transformers.training;

import org.peftjava.torch.optim.LambdaLR;
import org.peftjava.torch.optim.LrSchedule;
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
    return new LambdaLR(
        optimizer, name.schedule(numWarmupSteps, numTrainingSteps, optimizer.learningRate()));
  }

  /** Always the optimizer's rate. */
  public static LambdaLR getConstantSchedule(Optimizer optimizer) {
    return new LambdaLR(optimizer, LrSchedule.constant());
  }

  /** Up during the warm-up, then the same. */
  public static LambdaLR getConstantScheduleWithWarmup(Optimizer optimizer, long numWarmupSteps) {
    return new LambdaLR(optimizer, LrSchedule.constantWithWarmup(numWarmupSteps));
  }

  /** Up during the warm-up, then straight down to 0. */
  public static LambdaLR getLinearScheduleWithWarmup(
      Optimizer optimizer, long numWarmupSteps, long numTrainingSteps) {
    return new LambdaLR(optimizer, LrSchedule.linear(numWarmupSteps, numTrainingSteps));
  }

  /** Up during the warm-up, then along half a cosine down to 0. */
  public static LambdaLR getCosineScheduleWithWarmup(
      Optimizer optimizer, long numWarmupSteps, long numTrainingSteps) {
    return new LambdaLR(optimizer, LrSchedule.cosine(numWarmupSteps, numTrainingSteps));
  }
}
