package org.peftjava.peft;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.LayerInjector.Injection;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.TunerMethod;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.PretrainedModel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Puts adapters into the layers of modules that stay what they are. */
final class Injections {
  private static final Logger LOG = LoggerFactory.getLogger(Injections.class);

  private Injections() {}

  /** Adds an adapter and lets it act. The model is as it was if it throws. */
  static void inject(TunerConfig config, Module model, InjectOptions options) {
    if (model instanceof PeftModel) {
      throw new IllegalArgumentException(
          "injectAdapterInModel is for plain modules. Add to a PeftModel with addAdapter.");
    }
    String name = options.adapterName();
    TunerMethod<?> method = method(config);
    boolean fresh = TunedModel.in(model).isEmpty();
    TunedModel tuned = TunedModel.in(model).orElseGet(() -> PeftConstruction.tune(facts(model)));
    try {
      TunerConfig targeted =
          options
              .stateDict()
              .map(keys -> targeted(config, tuned.base(), paths(keys, method.prefix())))
              .orElse(config);
      tuned.add(name, targeted, options.weights(), Injections::checkedPaths);
      tuned.activate(List.of(name));
    } catch (RuntimeException e) {
      if (fresh) {
        release(tuned);
      }
      throw e;
    }
  }

  private static BaseModel facts(Module model) {
    return model instanceof PretrainedModel known ? BaseModels.of(known) : BaseModel.of(model);
  }

  /** Takes the wrappers off again. */
  static void release(TunedModel tuned) {
    tuned.unload();
    tuned.restoreBaseTrainability();
  }

  private static TunerMethod<?> method(TunerConfig config) {
    if (TunerMethods.get(config.peftType()) instanceof TunerMethod<?> method) {
      return method;
    }
    throw new IllegalArgumentException(
        "injectAdapterInModel puts adapters into single layers, which "
            + config.peftType()
            + " does not adapt. Use Peft.getPeftModel.");
  }

  private static List<String> checkedPaths(Injection injection) {
    if (!injection.shared().weights().isEmpty()) {
      throw new IllegalArgumentException(
          "The layers of "
              + injection.config().peftType()
              + " share weights, which have no place in a plain module. Use Peft.getPeftModel.");
    }
    return injection.paths();
  }

  /** The paths of the layers that have these keys. */
  private static Set<String> paths(Set<String> keys, String prefix) {
    Set<String> paths =
        keys.stream()
            .filter(key -> key.contains("." + prefix))
            .map(key -> key.substring(0, key.lastIndexOf("." + prefix)))
            .map(
                path ->
                    path.startsWith(AdapterCheckpoint.PREFIX)
                        ? path.substring(AdapterCheckpoint.PREFIX.length())
                        : path)
            .collect(Collectors.toCollection(TreeSet::new));
    if (paths.isEmpty()) {
      throw new IllegalArgumentException(
          "None of the keys given as stateDict has \"." + prefix + "\" in it: " + keys + ".");
    }
    return paths;
  }

  /**
   * The config that selects these layers. What it says about layers stays where it selects them:
   * their names may decide what they share.
   */
  private static TunerConfig targeted(TunerConfig config, BaseModel model, Set<String> found) {
    Set<String> configured = new TreeSet<>(TunerMethods.matched(config, model));
    if (configured.equals(found)) {
      return config;
    }
    Set<String> more = new TreeSet<>(found);
    more.removeAll(configured);
    Set<String> less = new TreeSet<>(configured);
    less.removeAll(found);
    LOG.warn(
        "The keys given as stateDict adapt {} beyond the config's targets, and leave out {}.",
        more,
        less);
    TunerConfig result = config.with("target_modules", List.copyOf(found));
    for (String field : List.of("exclude_modules", "layers_pattern", "layers_to_transform")) {
      result = result.fields().isSet(field) ? result.with(field, null) : result;
    }
    return result;
  }
}
