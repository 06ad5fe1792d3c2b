package org.peftjava.peft;

import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.tuner.AddOptions;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.LayerInjector.Injection;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.WeightedAdapterOptions;
import org.peftjava.peft.tuner.WeightedAdapters;
import org.peftjava.peft.tuner.xlora.XLoraConfig;
import org.peftjava.torch.nn.Module;

/** How adapters come onto a base model, into its weights, and off it again. */
abstract sealed class AdapterHost extends Module permits PeftModel {
  private final TunedModel tuned;
  private final boolean ownsBase;
  private boolean givenBack;

  AdapterHost(BaseModel base, boolean ownsBase) {
    this.ownsBase = ownsBase;
    tuned = PeftConstruction.tune(base);
  }

  /** Adds an adapter with fresh values; it does not act before it is chosen. */
  public final void addAdapter(String adapterName, TunerConfig config) {
    addAdapter(adapterName, config, options -> {});
  }

  /** Adds an adapter with fresh values; it does not act before it is chosen. */
  public final void addAdapter(
      String adapterName, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    AdapterOptions.Builder builder = AdapterOptions.builder();
    options.accept(builder);
    builder.adapterName(adapterName);
    add(config, builder.build());
  }

  /**
   * Makes a new adapter of several by decomposing the weighted sum of their weight changes; it is
   * frozen and does not act before it is chosen.
   *
   * @param weights one for each adapter, negative to subtract
   */
  public final void addWeightedAdapter(
      List<String> adapters, List<Double> weights, String adapterName) {
    addWeightedAdapter(adapters, weights, adapterName, options -> {});
  }

  /** The same in another way, such as {@code o.combinationType(CombinationType.TIES)}. */
  public final void addWeightedAdapter(
      List<String> adapters,
      List<Double> weights,
      String adapterName,
      Consumer<WeightedAdapterOptions.Builder> options) {
    WeightedAdapterOptions.Builder builder = WeightedAdapterOptions.builder();
    options.accept(builder);
    WeightedAdapters.add(tuned(), adapters, weights, adapterName, builder.build());
  }

  final void add(TunerConfig config, AdapterOptions options) {
    if (options.mixed()) {
      tuned().allowMixing();
    }
    add(
        options.adapterName(),
        PeftConstruction.completed(config, baseModelName(), promptShape()),
        options.weights(),
        injection -> injection);
  }

  /**
   * Adds an adapter with a complete config and gives it its values. The first one decides how
   * parameters are named.
   */
  final <T> T add(
      String adapterName, TunerConfig config, AddOptions options, Function<Injection, T> fill) {
    TunerConfig resolved = XLoraFiles.resolved(config);
    if (resolved instanceof XLoraConfig && !hasTokenStates()) {
      throw new IllegalArgumentException(
          "X-LoRA needs one hidden state of each token: a language model, a model with a head or"
              + " one without.");
    }
    T result =
        tuned()
            .add(
                adapterName,
                resolved,
                options,
                injection -> {
                  XLoraFiles.load(tuned, adapterName, resolved);
                  return fill.apply(injection);
                });
    if (children().isEmpty()) {
      if (tuned.prompts().all().isEmpty()) {
        child("base_model", tuned);
      } else {
        child("base_model", tuned.base().root());
        child("prompt_encoder", tuned.prompts());
      }
      train(tuned.base().root().isTraining());
    }
    return result;
  }

  /** Removes an adapter and frees it; the next one acts if it acted alone. */
  public final void deleteAdapter(String adapterName) {
    tuned().delete(adapterName);
  }

  /** Makes the adapters that act part of the base weights; they stay separable. */
  public final void mergeAdapter() {
    mergeAdapter(options -> {});
  }

  /** Makes adapters part of the base weights; they stay separable. */
  public final void mergeAdapter(Consumer<MergeOptions.Builder> options) {
    MergeOptions merge = MergeOptions.of(options);
    tuned().merge(named(merge), merge.safeMerge());
  }

  /** Takes merged adapters out of the base weights. */
  public final void unmergeAdapter() {
    tuned().unmerge();
  }

  /**
   * Makes the adapters that act a permanent part of the base model and returns it, frozen. This
   * object is of no use after; the base belongs to whoever called.
   *
   * <p>An adapter of a layer that shares its weight, such as tied token embeddings, gives that
   * layer a weight of its own, so that the merged model computes what the adapted one did (Python
   * changes both layers).
   */
  public Module mergeAndUnload() {
    return mergeAndUnload(options -> {});
  }

  /** The same with options. Adapters that are neither merged nor named are dropped. */
  public Module mergeAndUnload(Consumer<MergeOptions.Builder> options) {
    MergeOptions merge = MergeOptions.of(options);
    List<String> left =
        named(merge).stream().filter(n -> !tuned().adapters().merged().contains(n)).toList();
    if (!left.isEmpty()) {
      tuned().merge(left, merge.safeMerge());
    }
    Module base = tuned().unloadMerged();
    givenBack = true;
    return base;
  }

  private List<String> named(MergeOptions merge) {
    return merge.adapterNames().orElseGet(tuned().adapters()::active);
  }

  /** Takes all adapters off and returns the base model as it was, frozen. */
  public Module unload() {
    Module base = tuned().unload();
    givenBack = true;
    return base;
  }

  /** Gives the base model back as it was and frees the adapters. Closing twice does nothing. */
  @Override
  public void close() {
    if (!givenBack) {
      Module base = tuned.unload();
      tuned.restoreBaseTrainability();
      givenBack = true;
      if (ownsBase) {
        base.close();
      }
    }
  }

  final TunedModel tuned() {
    if (givenBack) {
      throw new IllegalStateException(
          "This PeftModel has given its base model back and has no adapters any more. Wrap the base"
              + " again with Peft.getPeftModel or PeftModel.fromPretrained.");
    }
    return tuned;
  }

  // ---- what kinds of models say of themselves ----

  /** Folder or id that the base model was loaded from. */
  final Optional<String> baseModelName() {
    return this instanceof OverBase model
        ? model.base().config().nameOrPath().filter(name -> !name.isEmpty())
        : Optional.empty();
  }

  /** What virtual tokens need to know of the model; empty if it cannot take any. */
  Optional<PromptShape> promptShape() {
    return Optional.empty();
  }

  /** Whether each token has one last hidden state, of which X-LoRA makes shares. */
  boolean hasTokenStates() {
    return false;
  }

  ModelCard modelCard(String peftType) {
    return ModelCard.ofCustom(peftType);
  }
}
