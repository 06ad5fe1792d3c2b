package org.peftjava.peft.optimizers;

import java.util.Map;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.optim.Optimizer;

/** An optimizer that changes gradients before another one uses them. */
final class PreconditionedOptimizer implements Optimizer {
  private final Optimizer inner;
  private final Runnable precondition;

  /** Owns the other one from now on. */
  PreconditionedOptimizer(Optimizer inner, Runnable precondition) {
    this.inner = inner;
    this.precondition = precondition;
  }

  @Override
  public void step() {
    try (TensorScope scope = TensorScope.open("precondition");
        GradMode off = GradMode.noGrad()) {
      precondition.run();
    }
    inner.step();
  }

  @Override
  public void zeroGrad() {
    inner.zeroGrad();
  }

  @Override
  public double learningRate() {
    return inner.learningRate();
  }

  @Override
  public void learningRate(double rate) {
    inner.learningRate(rate);
  }

  @Override
  public Map<String, Tensor> stateDict() {
    return inner.stateDict();
  }

  @Override
  public void loadStateDict(Map<String, Tensor> state) {
    inner.loadStateDict(state);
  }

  @Override
  public void close() {
    inner.close();
  }
}
