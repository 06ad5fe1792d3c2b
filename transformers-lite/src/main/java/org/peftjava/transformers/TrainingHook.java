package org.peftjava.transformers;

import java.util.Map;
import org.peftjava.torch.Tensor;

/**
 * What a model does in training besides forward and backward passes, such as sharing out the rank
 * of its adapters. A {@code Trainer} calls it; so does a loop of the user's own.
 */
public interface TrainingHook {
  /**
   * Called after the optimizer's step, while the gradients are still there.
   *
   * @param globalStep counted from 0, as transformers' {@code state.global_step} at that moment
   */
  void onOptimizerStep(int globalStep);

  /** What a resumed run needs beside the model's files; owned by the current scope. */
  Map<String, Tensor> stateDict();

  /**
   * Takes such a state back, after the weights of the checkpoint were loaded.
   *
   * @throws IllegalArgumentException if it does not fit the model
   */
  void loadStateDict(Map<String, Tensor> state);
}
