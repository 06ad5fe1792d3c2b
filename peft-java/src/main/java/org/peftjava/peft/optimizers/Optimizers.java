package org.peftjava.peft.optimizers;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.optim.OptimizerGroups;

/**
 * The functions of Python's {@code peft.optimizers}. What they make goes into a training loop, or
 * to {@code Trainer.builder().optimizer(...)}, and is closed by whoever asked for it.
 */
public final class Optimizers {
  private static final double LORAFA_DAMPING = 1e-8;
  private static final double LORAFA_EPS = 1e-6;

  private Optimizers() {}

  /**
   * LoRA+, arXiv:2402.12354: B learns faster than A. Reference: PEFT {@code
   * optimizers/loraplus.py}; values in golden/peft_optimizers.
   *
   * @param model with adapters; its trainable parameters are taken
   * @param optimizer makes the optimizer of each group
   */
  public static Optimizer createLoraplusOptimizer(
      Module model, OptimizerFactory optimizer, Consumer<LoraPlusOptions.Builder> options) {
    LoraPlusOptions.Builder builder = LoraPlusOptions.builder();
    options.accept(builder);
    LoraPlusOptions values = builder.build();
    Set<String> norms = norms(model);
    Map<String, Parameter> a = new LinkedHashMap<>();
    Map<String, Parameter> embedding = new LinkedHashMap<>();
    Map<String, Parameter> b = new LinkedHashMap<>();
    Map<String, Parameter> bias = new LinkedHashMap<>();
    trainable(model)
        .forEach(
            (name, parameter) -> {
              boolean decays = !name.contains("bias") && !norms.contains(name);
              if (name.contains(".lora_embedding_")) {
                embedding.put(name, parameter);
              } else if (name.contains("lora_B") || parameter.shape().rank() == 1) {
                (decays ? b : bias).put(name, parameter);
              } else {
                a.put(name, parameter);
              }
            });
    double decay = values.loraplusWeightDecay();
    double fast = values.lr() * values.loraplusLrRatio();
    List<Optimizer> groups = new ArrayList<>();
    add(groups, a, optimizer, values.lr(), decay);
    add(groups, embedding, optimizer, values.loraplusLrEmbedding(), decay);
    add(groups, b, optimizer, fast, decay);
    add(groups, bias, optimizer, fast, 0);
    return new OptimizerGroups(groups);
  }

  private static void add(
      List<Optimizer> groups,
      Map<String, Parameter> parameters,
      OptimizerFactory optimizer,
      double lr,
      double weightDecay) {
    if (!parameters.isEmpty()) {
      groups.add(optimizer.create(parameters, lr, weightDecay));
    }
  }

  /** LoRA-FA without weight decay. */
  public static Optimizer createLorafaOptimizer(Module model, double lr) {
    return createLorafaOptimizer(model, lr, 0);
  }

  /**
   * LoRA-FA, arXiv:2308.03303: A is frozen, and B's gradient becomes {@code g (A A^T)^-1 / s^2},
   * the one whose change of the weight is nearest to that of full training; AdamW for what else is
   * trained. Reference: PEFT {@code optimizers/lorafa.py}; values in golden/peft_optimizers.
   *
   * @param model with LoRA adapters, whose A is frozen by this
   */
  public static Optimizer createLorafaOptimizer(Module model, double lr, double weightDecay) {
    List<LoraPairs.Pair> pairs = pairs(model, "createLorafaOptimizer");
    AdamW.Options options = new AdamW.Options(lr, 0.9, 0.999, LORAFA_EPS, weightDecay);
    pairs.forEach(pair -> pair.a().requiresGrad(false));
    return new PreconditionedOptimizer(
        new AdamW(trainable(model), options, AdamW.Form.TRANSFORMERS),
        () ->
            pairs.forEach(
                pair -> pair.turnB(LORAFA_DAMPING, 1 / Math.pow(pair.adapter().scaling(), 2))));
  }

  /** Riemannian preconditioning with a damping of 0.01. */
  public static Optimizer createRiemannianOptimizer(
      Module model, OptimizerFactory optimizer, double lr) {
    return createRiemannianOptimizer(model, optimizer, lr, 1e-2, 0);
  }

  /**
   * Riemannian preconditioned LoRA, arXiv:2402.02347: A's gradient becomes {@code (B^T B + d)^-1
   * g}, B's {@code g (A A^T + d)^-1}. Reference: PEFT {@code optimizers/riemannian.py}; values in
   * golden/peft_optimizers.
   *
   * @param model with LoRA adapters; all its trainable parameters are taken
   * @param optimizer makes the optimizer that uses the gradients
   * @param reg d
   */
  public static Optimizer createRiemannianOptimizer(
      Module model, OptimizerFactory optimizer, double lr, double reg, double weightDecay) {
    if (!(reg >= 0)) {
      throw new IllegalArgumentException(
          "createRiemannianOptimizer: reg must be 0 or more, got " + reg + ".");
    }
    List<LoraPairs.Pair> pairs =
        pairs(model, "createRiemannianOptimizer").stream()
            .filter(pair -> pair.a().requiresGrad() && pair.b().requiresGrad())
            .toList();
    if (pairs.isEmpty()) {
      throw new IllegalArgumentException(
          "createRiemannianOptimizer found no LoRA adapter whose A and B are both trained.");
    }
    return new PreconditionedOptimizer(
        optimizer.create(trainable(model), lr, weightDecay),
        () -> pairs.forEach(pair -> turn(pair, reg)));
  }

  /** Both by the matrices as they are; gradients do not enter each other's. */
  private static void turn(LoraPairs.Pair pair, double reg) {
    pair.turnA(reg);
    pair.turnB(reg, 1);
  }

  private static List<LoraPairs.Pair> pairs(Module model, String who) {
    List<LoraPairs.Pair> result = LoraPairs.of(model);
    if (result.isEmpty()) {
      throw new IllegalArgumentException(
          who
              + " needs a model with LoRA adapters of linear layers, but "
              + model.getClass().getSimpleName()
              + " has none.");
    }
    return result;
  }

  private static Map<String, Parameter> trainable(Module model) {
    Map<String, Parameter> result = new LinkedHashMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    if (result.isEmpty()) {
      throw new IllegalArgumentException(
          "The model has no trainable parameter. Load its adapter with isTrainable(true), or"
              + " activate it.");
    }
    return result;
  }

  /** Names of the parameters of norms. */
  private static Set<String> norms(Module model) {
    Set<String> result = new HashSet<>();
    model
        .namedModules()
        .forEach(
            (path, module) -> {
              if (module instanceof LayerNorm || module instanceof RmsNorm) {
                module.ownParameters().keySet().forEach(name -> result.add(path + "." + name));
              }
            });
    return result;
  }
}
