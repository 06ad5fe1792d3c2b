package org.peftjava.transformers.training;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.optim.LrSchedule;
import org.peftjava.torch.optim.MetricSchedule;
import org.peftjava.torch.optim.Optimizer;

/** The learning rates of a run: those of a function of the step, or of what evaluations say. */
final class RunSchedule {
  private final TrainingArguments args;
  private final Optimizer optimizer;
  private final double baseRate;
  private final @Nullable LrSchedule bySteps;
  private final @Nullable MetricSchedule byMetric;

  RunSchedule(TrainingArguments args, long totalSteps, Optimizer optimizer) {
    this.args = args;
    this.optimizer = optimizer;
    baseRate = optimizer.learningRate();
    SchedulerType type = args.lrSchedulerType();
    boolean metric = type.needsMetric();
    byMetric = metric ? type.metricSchedule(optimizer, args.lrSchedulerKwargs()) : null;
    bySteps =
        metric
            ? null
            : type.schedule(
                args.warmupSteps(totalSteps), totalSteps, baseRate, args.lrSchedulerKwargs());
  }

  /** Sets the rate of a step, counted from 0, and returns it. */
  double apply(long step) {
    if (bySteps != null) {
      optimizer.learningRate(baseRate * bySteps.factor(step));
    }
    return optimizer.learningRate();
  }

  /** Takes what an evaluation has given. */
  void evaluated(Map<String, Double> metrics) {
    if (byMetric != null) {
      byMetric.step(BestModel.metric(args, metrics));
    }
  }

  /** What a resumed run needs beside the step. */
  Map<String, Double> stateDict() {
    return byMetric == null ? Map.of() : byMetric.stateDict();
  }

  void loadStateDict(Map<String, Double> state) {
    if (byMetric != null) {
      byMetric.loadStateDict(state);
    }
  }
}
