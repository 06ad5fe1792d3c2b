package org.peftjava.torch.optim;

import java.util.Map;
import org.peftjava.torch.Tensor;

/** Changes parameters along their gradients, with state of its own. */
public interface Optimizer extends AutoCloseable {
  /**
   * Applies one update with the present gradients. Parameters without a gradient stay as they are.
   */
  void step();

  /** Drops the gradients of all parameters. */
  void zeroGrad();

  /** The learning rate of the next step. */
  double learningRate();

  /** Sets the learning rate of the next step. */
  void learningRate(double rate);

  /**
   * The state by name, for checkpoints: {@code "<parameter>.exp_avg"} and the like. The tensors
   * belong to the optimizer.
   */
  Map<String, Tensor> stateDict();

  /** Restores the state that {@link #stateDict} returned; the values are copied. */
  void loadStateDict(Map<String, Tensor> state);

  /** Frees the state. */
  @Override
  void close();
}
