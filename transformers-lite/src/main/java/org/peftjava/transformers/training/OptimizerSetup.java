package org.peftjava.transformers.training;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.PagedAdamW32bit;
import org.peftjava.quant.bnb.PagedAdamW8bit;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.Adafactor;
import org.peftjava.torch.optim.Adagrad;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.optim.OptimizerGroups;
import org.peftjava.torch.optim.RMSprop;
import org.peftjava.torch.optim.SGD;

/** The optimizer of a model's trainable parameters: one group that decays, one that does not. */
final class OptimizerSetup {
  private OptimizerSetup() {}

  /** The trainable parameters, by name. */
  static Map<String, Parameter> trainable(Module model) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    model
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              if (parameter.requiresGrad()) {
                result.put(name, parameter);
              }
            });
    if (result.isEmpty()) {
      throw new IllegalArgumentException(
          "The model has no trainable parameter: all "
              + model.namedParameters().size()
              + " are frozen. Wrap it with an adapter, load the adapter with isTrainable(true), or"
              + " unfreeze parameters.");
    }
    return result;
  }

  static Optimizer create(Module model, TrainingArguments args) {
    Set<String> decaying = WeightDecay.names(model);
    Map<String, Parameter> with = trainable(model);
    Map<String, Parameter> without = new LinkedHashMap<>(with);
    with.keySet().retainAll(decaying);
    without.keySet().removeAll(decaying);
    List<Optimizer> groups = new ArrayList<>();
    if (!with.isEmpty()) {
      groups.add(group(model, with, args, args.weightDecay()));
    }
    if (!without.isEmpty()) {
      groups.add(group(model, without, args, 0));
    }
    return new OptimizerGroups(groups);
  }

  private static Optimizer group(
      Module model, Map<String, Parameter> parameters, TrainingArguments args, double weightDecay) {
    AdamW.Options adam =
        new AdamW.Options(
            args.learningRate(),
            args.adamBeta1(),
            args.adamBeta2(),
            args.adamEpsilon(),
            weightDecay);
    double rate = args.learningRate();
    OptimizerArgs given = OptimizerArgs.of(args);
    return switch (args.optim()) {
      case ADAMW_TORCH, ADAMW_TORCH_FUSED -> new AdamW(parameters, adam);
      case ADAMW_8BIT, ADAMW_BNB_8BIT -> new AdamW8bit(parameters, adam, embeddings(model));
      case PAGED_ADAMW_8BIT -> new PagedAdamW8bit(parameters, adam, embeddings(model));
      case PAGED_ADAMW_32BIT -> new PagedAdamW32bit(parameters, adam);
      case SGD ->
          new SGD(
              parameters,
              new SGD.Options(
                  rate,
                  given.number("momentum", 0),
                  given.number("dampening", 0),
                  weightDecay,
                  given.flag("nesterov")));
      case ADAFACTOR -> new Adafactor(parameters, Adafactor.Options.of(rate, weightDecay));
      case ADAGRAD ->
          new Adagrad(
              parameters,
              new Adagrad.Options(
                  rate, given.number("lr_decay", 0), weightDecay, given.number("eps", 1e-10)));
      case RMSPROP ->
          new RMSprop(
              parameters,
              new RMSprop.Options(
                  rate,
                  given.number("alpha", 0.99),
                  given.number("eps", 1e-8),
                  weightDecay,
                  given.number("momentum", 0),
                  given.flag("centered")));
    };
  }

  /** Names of token tables, whose optimizer state stays float32 as in transformers. */
  private static Set<String> embeddings(Module model) {
    Set<String> result = new HashSet<>();
    model
        .namedModules()
        .forEach(
            (path, module) -> {
              if (module instanceof Embedding) {
                result.add(path + ".weight");
              }
            });
    return result;
  }
}
