package org.peftjava.peft;

import java.util.Map;
import java.util.OptionalDouble;
import org.peftjava.peft.tuner.AdapterTrainings;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.TrainingHook;

/** What the adapters of a model add to losses and do after steps. */
final class AdapterSteps implements TrainingHook {
  private static final int IGNORED = -100;

  private final AdapterTrainings trainings;

  private AdapterSteps(AdapterTrainings trainings) {
    this.trainings = trainings;
  }

  static AdapterSteps of(TunedModel model) {
    return new AdapterSteps(model.trainings());
  }

  /**
   * The output with the adapters' penalty in its loss, if it has one. A pass over a part of a
   * step's labels gets the same part of the penalty, so that a step is the same however it is
   * split.
   *
   * @param shifted whether labels of the first position are never predicted
   */
  static ModelOutput withPenalty(
      TunedModel model, ModelInput input, boolean shifted, ModelOutput output) {
    if (model.trainings().isEmpty() || output.loss().isEmpty()) {
      return output;
    }
    Tensor loss = output.loss().get();
    return model
        .trainings()
        .penalty()
        .map(penalty -> share(penalty, input, shifted))
        .map(penalty -> output.with(loss.add(penalty.to(loss.device()).to(loss.dtype()))))
        .orElse(output);
  }

  private static Tensor share(Tensor penalty, ModelInput input, boolean shifted) {
    OptionalDouble divisor = input.lossDivisor();
    if (divisor.isEmpty()) {
      return penalty;
    }
    return penalty.mul(counted(input, shifted).to(penalty.device()).div(divisor.getAsDouble()));
  }

  /** How many labels count: a float32 scalar. */
  private static Tensor counted(ModelInput input, boolean shifted) {
    Tensor labels = input.labels();
    Tensor starts = input.startPositions();
    if (labels != null && labels.dtype() == DType.INT64 && labels.numel() > 0) {
      Tensor targets =
          shifted && labels.rank() == 2 ? labels.narrow(1, 1, labels.size(1) - 1) : labels;
      return targets.ne(IGNORED).to(DType.FLOAT32).sum();
    }
    long rows = labels != null ? labels.size(0) : starts != null ? starts.size(0) : 0;
    return Creation.full(DType.FLOAT32, rows);
  }

  @Override
  public void onOptimizerStep(int globalStep) {
    trainings.afterStep(globalStep);
  }

  @Override
  public Map<String, Tensor> stateDict() {
    return trainings.state();
  }

  @Override
  public void loadStateDict(Map<String, Tensor> state) {
    trainings.load(state);
  }
}
