package org.peftjava.peft;

import java.util.List;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.WeightedAdapterOptions;
import org.peftjava.peft.tuner.WeightedAdapters;
import org.peftjava.peft.tuner.shadow.ShadowNetwork;
import org.peftjava.torch.nn.Module;

/** How adapters come onto a base model, into its weights, and off it again. */
interface AdapterHost {
  /** The model that has these verbs. */
  private PeftModel self() {
    return (PeftModel) this;
  }

  /** Adds an adapter with fresh values; it does not act before it is chosen. */
  default void addAdapter(String adapterName, TunerConfig config) {
    addAdapter(adapterName, config, options -> {});
  }

  /** Adds an adapter with fresh values; it does not act before it is chosen. */
  default void addAdapter(
      String adapterName, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    AdapterOptions.Builder builder = AdapterOptions.builder();
    options.accept(builder);
    builder.adapterName(adapterName);
    self().add(config, builder.build());
  }

  /**
   * Makes a new adapter of several by decomposing the weighted sum of their weight changes; it is
   * frozen and does not act before it is chosen.
   *
   * @param weights one for each adapter, negative to subtract
   */
  default void addWeightedAdapter(List<String> adapters, List<Double> weights, String adapterName) {
    addWeightedAdapter(adapters, weights, adapterName, options -> {});
  }

  /** The same in another way, such as {@code o.combinationType(CombinationType.TIES)}. */
  default void addWeightedAdapter(
      List<String> adapters,
      List<Double> weights,
      String adapterName,
      Consumer<WeightedAdapterOptions.Builder> options) {
    WeightedAdapterOptions.Builder builder = WeightedAdapterOptions.builder();
    options.accept(builder);
    WeightedAdapters.add(self().tuned(), adapters, weights, adapterName, builder.build());
  }

  /** The base model, with the adapters in its layers. */
  default Module getBaseModel() {
    return self().tuned().base().root();
  }

  /** Removes an adapter and frees it; the next one acts if it acted alone. */
  default void deleteAdapter(String adapterName) {
    self().tuned().delete(adapterName);
  }

  /** Makes the adapters that act part of the base weights; they stay separable. */
  default void mergeAdapter() {
    mergeAdapter(options -> {});
  }

  /** Makes adapters part of the base weights; they stay separable. */
  default void mergeAdapter(Consumer<MergeOptions.Builder> options) {
    MergeOptions merge = MergeOptions.of(options);
    self().tuned().merge(named(merge), merge.safeMerge());
  }

  /** Takes merged adapters out of the base weights. */
  default void unmergeAdapter() {
    self().tuned().unmerge();
  }

  /**
   * Makes the adapters that act a permanent part of the base model and returns it, frozen. This
   * object is of no use after; the base belongs to whoever called.
   *
   * <p>An adapter of a layer that shares its weight, such as tied token embeddings, gives that
   * layer a weight of its own, so that the merged model computes what the adapted one did (Python
   * changes both layers).
   */
  default Module mergeAndUnload() {
    return mergeAndUnload(options -> {});
  }

  /** The same with options. Adapters that are neither merged nor named are dropped. */
  default Module mergeAndUnload(Consumer<MergeOptions.Builder> options) {
    MergeOptions merge = MergeOptions.of(options);
    List<String> left =
        named(merge).stream().filter(n -> !self().tuned().adapters().merged().contains(n)).toList();
    if (!left.isEmpty()) {
      self().tuned().merge(left, merge.safeMerge());
    }
    return self().giveBack(TunedModel::unloadMerged);
  }

  private List<String> named(MergeOptions merge) {
    return merge.adapterNames().orElseGet(self().tuned().adapters()::active);
  }

  /** Takes all adapters off and returns the base model as it was, frozen. */
  default Module unload() {
    return self().giveBack(TunedModel::unload);
  }

  /** The small model of the ShadowPEFT adapter that acts, with its own loss of the last pass. */
  default ShadowNetwork shadow() {
    return ShadowPasses.acting(self().tuned())
        .orElseThrow(() -> new IllegalStateException("No SHADOW adapter acts."))
        .network();
  }

  /** The small model of the ShadowPEFT adapter that acts, alone; it shares its weights. */
  default DetachedShadowModel unloadShadow() {
    return unloadShadow(options -> {});
  }

  /**
   * The small model of a ShadowPEFT adapter alone, with its head: it answers without the base,
   * which stays as it is. Close it before this model if it shares its weights.
   */
  default DetachedShadowModel unloadShadow(Consumer<UnloadShadowOptions.Builder> options) {
    return DetachedShadowModel.of(self(), UnloadShadowOptions.of(options));
  }
}
