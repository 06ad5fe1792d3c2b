package org.peftjava.peft.tuner.lora.adalora;

import java.util.Map;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * How much the loss depends on each element of a parameter, smoothed over the steps: its
 * sensitivity {@code |p dL/dp|} and how much that changes.
 *
 * <p>Reference: PEFT {@code RankAllocator.update_ipt}. Owns its two tensors of the parameter's
 * size.
 */
final class Importance implements AutoCloseable {
  private static final String MEAN = ".exp_avg_ipt";
  private static final String CHANGE = ".exp_avg_unc";

  private final Tensor mean;
  private final Tensor change;

  private Importance(Tensor mean, Tensor change) {
    this.mean = mean.escape();
    this.change = change.escape();
  }

  static Importance of(Parameter parameter) {
    Tensor values = parameter.tensor();
    long[] sizes = values.shape().toArray();
    return new Importance(
        Creation.zeros(values.dtype(), values.device(), sizes),
        Creation.zeros(values.dtype(), values.device(), sizes));
  }

  /** Looks at the parameter's value and gradient after a step. */
  void update(Parameter parameter, double beta1, double beta2) {
    Tensor gradient =
        parameter
            .tensor()
            .grad()
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        "updateAndAllocate needs the gradients of the step. Call it after"
                            + " backward and the optimizer's step, and before zeroGrad."));
    Tensor now = parameter.tensor().detach().mul(gradient).abs();
    mean.mulInPlace(beta1).addInPlace(now, 1 - beta1);
    change.mulInPlace(beta2).addInPlace(now.sub(mean).abs(), 1 - beta2);
  }

  /** The importance of each element. */
  Tensor score() {
    return mean.mul(change);
  }

  void save(String name, Map<String, Tensor> state) {
    state.put(name + MEAN, mean);
    state.put(name + CHANGE, change);
  }

  void load(String name, Map<String, Tensor> state) {
    mean.copyInPlace(AdaLoraTraining.entry(state, name + MEAN, mean.shape()));
    change.copyInPlace(AdaLoraTraining.entry(state, name + CHANGE, change.shape()));
  }

  @Override
  public void close() {
    mean.close();
    change.close();
  }
}
