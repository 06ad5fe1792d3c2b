package org.peftjava.peft.tuner;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.peftjava.peft.tuner.LayerInjector.Injection;
import org.peftjava.torch.nn.Module;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A base model with adapters in its layers: adding, choosing, merging and removing them.
 *
 * <p>The base model is changed in place; its parameters are frozen. Names of parameters below this
 * module are Python's: {@code model.<path>.lora_A.<adapter>.weight}. Reference: PEFT {@code
 * tuners_utils.py::BaseTuner}.
 */
public final class TunedModel extends Module {
  private static final Logger LOG = LoggerFactory.getLogger(TunedModel.class);

  private final BaseModel base;
  private final AdapterSet set = new AdapterSet();
  private final PromptEncoders prompts = new PromptEncoders(set);
  private final Map<String, TunerConfig> configs = new LinkedHashMap<>();
  private final SharesOfAdapters shares =
      new SharesOfAdapters(name -> WeightGroup.of(name, this::findChild, this::child));
  private final AdapterTrainings trainings = new AdapterTrainings(this);
  private final AdapterMerging merging = new AdapterMerging(this);
  private final Trainability trainability;
  private boolean mixed;
  private final Replication replication;
  private final Wrappers wrappers;

  /** The model without adapters yet; freezes its parameters. */
  public TunedModel(BaseModel base) {
    this.base = base;
    replication = new Replication(base);
    wrappers = new Wrappers(base);
    set.belongsTo(this);
    trainability = new Trainability(this);
    child("model", base.root());
    trainability.freezeBase();
    train(base.root().isTraining());
  }

  /** The adapters in the layers of a module tree, if it has some. */
  public static Optional<TunedModel> in(Module root) {
    return root.namedModules().values().stream()
        .filter(LayerWrapper.class::isInstance)
        .map(LayerWrapper.class::cast)
        .findFirst()
        .flatMap(layer -> layer.adapterSet().owner());
  }

  /** The base model. */
  public BaseModel base() {
    return base;
  }

  /** Which adapters there are and act. */
  public AdapterSet adapters() {
    return set;
  }

  /** The configs of the adapters by name, in order of addition. */
  public Map<String, TunerConfig> configs() {
    return Collections.unmodifiableMap(configs);
  }

  /** The virtual tokens of adapters that have some; not below this module. */
  public PromptEncoders prompts() {
    return prompts;
  }

  /** What adapters do around the steps of training. */
  public AdapterTrainings trainings() {
    return trainings;
  }

  /** Whether an adapter acts and its parameters are trained. */
  boolean isTrained(String adapter) {
    return trainability.isTrained(adapter);
  }

  /** Replaces the config of an adapter. */
  void config(String adapter, TunerConfig config) {
    configs.replace(adapter, config);
  }

  /** Takes note that an adapter has another config now and may stand in fewer layers. */
  void rebuilt(String adapter, TunerConfig config) {
    config(adapter, config);
    wrappers.changed();
  }

  /** The adapted layers by path. */
  public Map<String, AdaptedLayer> layers() {
    return wrappers.layers();
  }

  /** The modules with full copies, by path. */
  public Map<String, SavedModule> savedModules() {
    return wrappers.savedModules();
  }

  /**
   * Adds an adapter. The first one acts at once, others wait for {@link #activate}. What is merged
   * is unmerged after.
   */
  public Injection add(String name, TunerConfig config, AddOptions options) {
    return add(name, config, options, injection -> injection);
  }

  /** The same; {@code fill} gives the adapter its values. Nothing has changed if it throws. */
  public <T> T add(
      String name, TunerConfig config, AddOptions options, Function<Injection, T> fill) {
    String what = "add adapter \"" + name + "\"";
    try (AdapterSet.Running alone =
        set.merged().isEmpty() ? set.addition(what) : set.change(what)) {
      Injection injection = inject(name, config, options);
      try (BaseChanges changes = injection.changes()) {
        T result = fill.apply(injection);
        changes.apply();
        merging.unmergeBefore("\"" + name + "\" is added");
        return result;
      } catch (RuntimeException e) {
        delete(name);
        throw e;
      }
    }
  }

  private Injection inject(String name, TunerConfig config, AddOptions options) {
    AdapterFit.check(name, config, configs.values(), mixed);
    Injection injection;
    Runnable undo = replication.begin(config.layerReplication(), set);
    try {
      injection =
          TunerMethods.ofPrompts(config.peftType())
              .map(method -> new PromptInjector(base, set, prompts).add(method, config, name))
              .orElseGet(() -> LayerInjector.inject(base, set, config, name, options));
    } catch (RuntimeException e) {
      undo.run();
      throw e;
    } finally {
      wrappers.changed();
    }
    configs.put(name, injection.config());
    shares.add(name, injection.shared());
    trainings.add(name, injection.config());
    trainability.allow(name, !config.inferenceMode());
    if (configs.size() == 1) {
      set.activate(List.of(name));
    }
    trainability.apply();
    return injection;
  }

  /** What the layers of each adapter share, by adapter. */
  public Map<String, SharedWeights> shared() {
    return shares.all();
  }

  /**
   * Lets the model have adapters of different types; those of it must be among the ones that can.
   */
  public void allowMixing() {
    configs.values().forEach(config -> Nests.check(config.peftType()));
    mixed = true;
  }

  /** Whether adapters may be of different types. */
  public boolean isMixed() {
    return mixed;
  }

  /** Lets exactly these adapters act, after unmerging whatever is merged. */
  public void activate(List<String> names) {
    activate(names, List.of());
  }

  /** The same; those of {@code trained} are trained from now on. */
  public void activate(List<String> names, List<String> trained) {
    set.checkKnown(names);
    try (AdapterSet.Running alone = set.change("activate " + names)) {
      activateAlone(names, trained);
    }
  }

  private void activateAlone(List<String> names, List<String> trained) {
    prompts.checkActivation(names);
    savedModules().forEach((path, module) -> module.checkActivation(path, names));
    if (names.size() > 1) {
      layers().values().forEach(layer -> layer.checkTogether(names));
    }
    merging.unmergeBefore(names + " act");
    set.activate(names);
    trained.forEach(name -> trainability.allow(name, true));
    trainability.apply();
  }

  /** Says whether an adapter's parameters are trained while it acts. */
  public void trainable(String name, boolean on) {
    set.checkKnown(List.of(name));
    try (AdapterSet.Running alone = set.addition("train or freeze \"" + name + "\"")) {
      trainability.allow(name, on);
      trainability.apply();
    }
  }

  /** Keeps another config for an adapter whose weights have been replaced. */
  void reconfigure(String name, TunerConfig config) {
    configs.put(name, config);
    trainability.apply();
  }

  /** Removes an adapter; one that acts only while no other thread generates: the next one acts. */
  public void delete(String name) {
    String what = "delete adapter \"" + name + "\"";
    try (AdapterSet.Running alone =
        set.active().contains(name) ? set.change(what) : set.addition(what)) {
      deleteAlone(name);
    }
  }

  private void deleteAlone(String name) {
    set.remove(name);
    prompts.delete(name);
    trainings.delete(name);
    layers().values().forEach(layer -> layer.delete(name));
    savedModules().values().forEach(module -> module.delete(name));
    configs.remove(name);
    shares.remove(name);
    if (set.active().isEmpty() && !configs.isEmpty()) {
      String next = configs.keySet().iterator().next();
      LOG.warn("Adapter \"{}\" acted and is deleted. Now \"{}\" acts.", name, next);
      set.activate(List.of(next));
    }
    trainability.apply();
  }

  /**
   * Makes adapters part of the base weights; all or none of the layers change.
   *
   * @param safe whether to refuse weights that are not finite
   */
  public void merge(List<String> names, boolean safe) {
    set.checkKnown(names);
    try (AdapterSet.Running alone = set.change("merge adapters")) {
      merging.merge(names, safe);
    }
  }

  /** Takes all merged adapters out of the base weights again, in reverse order. */
  public void unmerge() {
    try (AdapterSet.Running alone = set.change("unmerge adapters")) {
      merging.unmerge();
    }
  }

  /**
   * Puts the layers of the base model back with what is merged into them, and acting full copies in
   * place of the modules that they were made of. Frees the adapters. This object is of no use
   * after.
   */
  public Module unloadMerged() {
    try (AdapterSet.Running alone = set.end("unload adapters")) {
      return unload((path, module) -> module.acting(), () -> {});
    }
  }

  /** Puts the layers of the base model back as they were. Frees the adapters. */
  public Module unload() {
    try (AdapterSet.Running alone = set.end("unload adapters")) {
      merging.unmergeWhatIsThere();
      return unload((path, module) -> module.original(), replication::end);
    }
  }

  private Module unload(BiFunction<String, SavedModule, Module> choice, Runnable last) {
    Unwrapping.run(this, choice, last, replication.weightsBefore());
    Module root = base.root();
    prompts.close();
    trainings.close();
    root.requiresGrad(false);
    wrappers.changed();
    return root;
  }

  /** Trains what was trained before the adapters came. */
  public void restoreBaseTrainability() {
    trainability.restoreBase();
  }
}
