package org.peftjava.peft.tuner;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes adapters part of the base weights and takes them out again, all layers or none.
 *
 * <p>Reference: PEFT {@code tuners_utils.py::BaseTuner.merge_adapter, unmerge_adapter}.
 */
final class AdapterMerging {
  private static final Logger LOG = LoggerFactory.getLogger(TunedModel.class);

  private final TunedModel model;
  private final AdapterSet set;

  AdapterMerging(TunedModel model) {
    this.model = model;
    set = model.adapters();
  }

  /**
   * Merges those that are not merged yet.
   *
   * @param safe whether to refuse weights that are not finite
   */
  void merge(List<String> names, boolean safe) {
    if (!model.prompts().all().isEmpty()) {
      throw new IllegalStateException(
          "Virtual tokens are no part of any weight and cannot be merged. Save the adapter and load"
              + " it with the model.");
    }
    List<String> wanted =
        inOrder(names).stream().filter(name -> !set.merged().contains(name)).toList();
    if (wanted.isEmpty()) {
      LOG.warn("Adapters {} are already merged; nothing to do.", names);
    }
    SharedParameters shared = SharedParameters.of(model);
    Map<String, AdaptedLayer> layers = model.layers();
    List<String> together = Stream.concat(set.merged().stream(), wanted.stream()).toList();
    layers.values().forEach(layer -> layer.checkTogether(together));
    wanted.forEach(name -> layers.values().forEach(layer -> check(name, layer, safe)));
    wanted.forEach(name -> mergeOne(name, layers, shared, safe));
  }

  /** Of a mixed model, inner adapters before outer ones; all are unmerged first if that helps. */
  private List<String> inOrder(List<String> names) {
    if (!model.isMixed()) {
      return names;
    }
    Set<String> all = new LinkedHashSet<>(set.merged());
    all.addAll(names);
    if (!set.merged().containsAll(all)) {
      unmerge();
    }
    return Nests.inOrder(model, all);
  }

  /**
   * Finds what cannot be merged while nothing has changed yet: weights that are quantized again do
   * not come back exactly.
   */
  private static void check(String name, AdaptedLayer layer, boolean safe) {
    LayerAdapter adapter = layer.adapters().get(name);
    if (adapter == null) {
      return;
    }
    if (adapter.needsBias() && layer.baseBias().isEmpty()) {
      throw new IllegalStateException(
          "Cannot merge adapter \""
              + name
              + "\": it has a bias, but a layer that it adapts has none to add it to."
              + " Use it unmerged.");
    }
    if (safe || (layer.original() instanceof LinearLayer linear && !linear.keepsWhatReplaces())) {
      try (TensorScope scope = TensorScope.open("check adapter");
          GradMode off = GradMode.noGrad()) {
        if (!adapter.weights().stream().allMatch(weight -> hasMaximum(weight.parameter()))) {
          throw AdaptedLayer.notFinite(name);
        }
      }
    }
  }

  /** Whether no value is NaN or infinite; some adapters mean something by minus infinity. */
  private static boolean hasMaximum(Parameter parameter) {
    return !parameter.isMaterialized()
        || parameter.numel() == 0
        || !parameter.dtype().isFloatingPoint()
        || parameter.tensor().detach().max().isFinite();
  }

  private void mergeOne(
      String name, Map<String, AdaptedLayer> layers, SharedParameters shared, boolean safe) {
    Set<AdaptedLayer> done = Collections.newSetFromMap(new IdentityHashMap<>());
    try {
      for (AdaptedLayer layer : layers.values()) {
        layer.merge(name, shared, safe);
        done.add(layer);
      }
    } catch (RuntimeException e) {
      done.forEach(layer -> layer.unmerge(name));
      retieUnmerged(layers);
      throw e;
    }
    set.markMerged(name);
  }

  /** Takes all merged adapters out of the base weights again, in reverse order. */
  void unmerge() {
    Map<String, AdaptedLayer> layers = model.layers();
    List<String> merged = set.merged();
    for (int i = merged.size() - 1; i >= 0; i--) {
      String name = merged.get(i);
      layers.values().forEach(layer -> layer.unmerge(name));
      set.markUnmerged(name);
    }
    retieUnmerged(layers);
  }

  /** The same, unless the base model was closed under its adapters. */
  void unmergeWhatIsThere() {
    if (model.namedState().values().stream().allMatch(Parameter::isMaterialized)) {
      unmerge();
    }
  }

  /** The same if some are merged, with a word about it. */
  void unmergeBefore(String what) {
    if (!set.merged().isEmpty()) {
      LOG.warn("Adapters {} are merged and are unmerged before {}.", set.merged(), what);
      unmerge();
    }
  }

  private static void retieUnmerged(Map<String, AdaptedLayer> layers) {
    layers.values().stream().filter(layer -> layer.merged().isEmpty()).forEach(AdaptedLayer::retie);
  }
}
