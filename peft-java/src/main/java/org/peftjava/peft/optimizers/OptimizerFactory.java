package org.peftjava.peft.optimizers;

import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.PagedAdamW8bit;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.optim.SGD;

/** Makes an optimizer of some parameters: Python's {@code optimizer_cls} with its arguments. */
@FunctionalInterface
public interface OptimizerFactory {
  /**
   * A new optimizer.
   *
   * @param parameters by name
   */
  Optimizer create(Map<String, Parameter> parameters, double lr, double weightDecay);

  /** AdamW with torch's betas, 0.9 and 0.999, and eps, 1e-8. */
  static OptimizerFactory adamw() {
    return adamw(0.9, 0.999, 1e-8);
  }

  /** AdamW with other betas and eps. */
  static OptimizerFactory adamw(double beta1, double beta2, double eps) {
    return (parameters, lr, decay) ->
        new AdamW(parameters, new AdamW.Options(lr, beta1, beta2, eps, decay));
  }

  /** AdamW with a state of 8 bits, of 32 bits for token embeddings of the model. */
  static OptimizerFactory adamw8bit(Module model) {
    Set<String> wide = embeddings(model);
    return (parameters, lr, decay) ->
        new AdamW8bit(parameters, new AdamW.Options(lr, 0.9, 0.999, 1e-8, decay), wide);
  }

  /** The same with a state that may leave a card that is full. */
  static OptimizerFactory pagedAdamw8bit(Module model) {
    Set<String> wide = embeddings(model);
    return (parameters, lr, decay) ->
        new PagedAdamW8bit(parameters, new AdamW.Options(lr, 0.9, 0.999, 1e-8, decay), wide);
  }

  private static Set<String> embeddings(Module model) {
    Set<String> names = new HashSet<>();
    model
        .namedModules()
        .forEach(
            (path, module) -> {
              if (module instanceof Embedding) {
                names.add(path + ".weight");
              }
            });
    return names;
  }

  /** Gradient descent. */
  static OptimizerFactory sgd(double momentum) {
    return (parameters, lr, decay) ->
        new SGD(parameters, new SGD.Options(lr, momentum, 0, decay, false));
  }
}
