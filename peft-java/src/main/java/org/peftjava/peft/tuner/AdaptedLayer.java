package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;

/**
 * A layer of the base model with its adapters: the loop over them, the types, merging and
 * unmerging, once for all tuning methods and all kinds of weight.
 *
 * <p>Names of parameters are Python's: {@code base_layer.weight}, {@code lora_A.<adapter>.weight}.
 * Reference: PEFT {@code tuners_utils.py::BaseTunerLayer} and {@code lora/layer.py::Linear.forward,
 * merge, unmerge}. A layer into which an adapter is merged gives what its weight gives; other
 * active adapters of that layer do not act until it is unmerged.
 */
public abstract sealed class AdaptedLayer extends Module implements LayerWrapper
    permits AdaptedLinear,
        AdaptedModule,
        AdaptedEmbedding,
        AdaptedNorm,
        AdaptedAttention,
        AdaptedDecoderLayer {
  private final AdapterSet set;
  private final Slot<Module> base;
  private final Map<String, LayerAdapter> adapters = new LinkedHashMap<>();
  private final WeightTie tie = new WeightTie();

  AdaptedLayer(AdapterSet set, Module base) {
    this(set, base, "base_layer");
  }

  AdaptedLayer(AdapterSet set, Module base, String name) {
    this.set = set;
    this.base = child(name, Module.class, base);
  }

  @Override
  public final Module original() {
    return base.get();
  }

  @Override
  public final AdapterSet adapterSet() {
    return set;
  }

  /** The adapters of this layer by name, in order of addition. */
  public final Map<String, LayerAdapter> adapters() {
    return Collections.unmodifiableMap(adapters);
  }

  /** The adapters that are part of this layer's weight now, in order of merging. */
  public final List<String> merged() {
    return set.merged().stream().filter(adapters::containsKey).toList();
  }

  /** The last part of the name of Python's class, such as "Linear". */
  public abstract String kind();

  /** What computes the base's part of the output. */
  abstract Layer baseLayer();

  /** The base weight as a fresh matrix of the type in which it computes. */
  abstract Tensor readWeight();

  /** Writes such a matrix back. */
  abstract void writeWeight(Tensor dense);

  /** The base's bias. */
  abstract Optional<Parameter> baseBias();

  final void add(String name, LayerAdapter adapter) {
    for (LayerAdapter.Weight weight : adapter.weights()) {
      group(weight).put(name, weight);
    }
    adapters.put(name, adapter);
    adapter.joined(adapters());
    train(isTraining());
  }

  final void delete(String name) {
    LayerAdapter adapter = adapters.remove(name);
    if (adapter != null) {
      for (LayerAdapter.Weight weight : adapter.weights()) {
        group(weight).remove(name);
        weight.parameter().close();
      }
    }
  }

  private WeightGroup group(LayerAdapter.Weight weight) {
    return WeightGroup.of(weight.group(), this::findChild, (name, module) -> child(name, module));
  }

  /** Throws if these adapters cannot act together in this layer. */
  final void checkTogether(List<String> names) {
    List<LayerAdapter> here =
        names.stream().distinct().map(adapters::get).filter(Objects::nonNull).toList();
    for (int i = 0; i < here.size(); i++) {
      here.subList(0, i).forEach(here.get(i)::checkBeside);
    }
  }

  /** Whether all that adapts this layer is tokens beside adapters of other methods. */
  public final boolean hasOnlyTokens() {
    return !adapters.isEmpty() && adapters.values().stream().allMatch(TokensAdapter::isBeside);
  }

  /** Whether each row of the batch has its own adapter now. */
  final boolean isMixed() {
    return set.rows().isPresent();
  }

  /** The base layer's output, changed by the adapters that act. */
  final Tensor adapted(Tensor input) {
    Optional<RowPlan> rows = set.rows();
    if (rows.isPresent()) {
      return MixedForward.of(this, rows.get(), input);
    }
    List<LayerAdapter> acting = acting();
    if (acting.isEmpty()) {
      return baseLayer().forward(input);
    }
    return ActingForward.of(this, acting, input);
  }

  /**
   * What the layer gives, changed by one adapter.
   *
   * @param baseOutput what it gives without adapters
   * @param rows the numbers of the given rows among those of the layer; null for all
   * @param of the number of those
   */
  final Tensor changed(
      LayerAdapter adapter,
      Tensor x,
      Tensor y,
      Tensor baseOutput,
      long @Nullable [] rows,
      long of) {
    if (!adapter.waitsForInvocation()) {
      return adapter.afterBase(x, y, baseOutput, isTraining());
    }
    String name =
        adapters.entrySet().stream()
            .filter(entry -> entry.getValue() == adapter)
            .map(Map.Entry::getKey)
            .findFirst()
            .orElseThrow();
    InvokedTokens.Rows own = new InvokedTokens.Rows(rows, of);
    return set.invoked()
        .map(
            tokens ->
                tokens.change(
                    name, x, y, own, (part, base) -> adapter.afterBase(part, base, isTraining())))
        .orElse(y);
  }

  final List<LayerAdapter> acting() {
    List<LayerAdapter> result = new ArrayList<>(1);
    if (set.isEnabled() && (set.merged().isEmpty() || merged().isEmpty())) {
      for (String name : set.active()) {
        LayerAdapter adapter = adapters.get(name);
        if (adapter != null) {
          result.add(adapter);
        }
      }
    }
    return result;
  }

  /**
   * Makes an adapter part of the weight. If another module shares the weight, this layer gets its
   * own copy first, so that only this layer changes.
   *
   * @param shared which parameters belong to other modules too
   * @param safe whether to refuse weights that are not finite
   */
  final void merge(String name, SharedParameters shared, boolean safe) {
    LayerAdapter adapter = adapters.get(name);
    if (adapter == null) {
      return;
    }
    try (TensorScope scope = TensorScope.open("merge");
        GradMode off = GradMode.noGrad()) {
      if (adapter.changesParameters()) {
        tie.untie(original(), shared);
        if (!adapter.addToParameters(1, safe)) {
          throw notFinite(name);
        }
        return;
      }
      adapter.prepareMerge(this::unmergedWeight);
      Tensor weight = adapter.mergedInto(readWeight());
      if (safe && !weight.isFinite()) {
        throw notFinite(name);
      }
      if (!adapter.keepsTies()) {
        tie.untie(original(), shared);
      }
      writeWeight(weight);
      baseBias().ifPresent(bias -> adapter.prepareMergeOfBias(() -> unmergedBias(bias)));
      changeBias(adapter::mergedIntoBias);
    }
  }

  static IllegalStateException notFinite(String name) {
    return new IllegalStateException(
        "Merging adapter \""
            + name
            + "\" gives weights that are not finite, so the adapter is broken. Its parameters"
            + " hold NaN or infinite values; load an earlier checkpoint.");
  }

  private Tensor unmergedWeight() {
    List<String> merged = merged();
    Tensor weight = readWeight();
    for (int i = merged.size() - 1; i >= 0; i--) {
      LayerAdapter adapter = adapters.get(merged.get(i));
      if (adapter != null) {
        weight = adapter.removedFrom(weight);
      }
    }
    return weight;
  }

  private Tensor unmergedBias(Parameter parameter) {
    List<String> merged = merged();
    Tensor bias = parameter.tensor().detach().copy();
    for (int i = merged.size() - 1; i >= 0; i--) {
      LayerAdapter adapter = adapters.get(merged.get(i));
      if (adapter != null) {
        bias = adapter.removedFromBias(bias);
      }
    }
    return bias;
  }

  /** The reverse of {@link #merge}; a weight that had to be copied is the shared one again. */
  final void unmerge(String name) {
    LayerAdapter adapter = adapters.get(name);
    if (adapter == null) {
      return;
    }
    try (TensorScope scope = TensorScope.open("unmerge");
        GradMode off = GradMode.noGrad()) {
      if (adapter.changesParameters()) {
        adapter.addToParameters(-1, false);
        return;
      }
      writeWeight(adapter.removedFrom(readWeight()));
      changeBias(adapter::removedFromBias);
      adapter.afterUnmerge();
    }
  }

  /** Shares the weight again that {@link #merge} had to copy. Call when nothing is merged. */
  final void retie() {
    tie.retie(original());
  }

  /** The weight that this layer shared before merging, if it is untied now. */
  final @Nullable Parameter sharedWeight() {
    return tie.shared();
  }

  private void changeBias(UnaryOperator<Tensor> change) {
    baseBias()
        .ifPresent(
            parameter -> {
              Tensor bias = parameter.tensor().detach();
              Tensor changed = change.apply(bias);
              if (changed != bias) {
                bias.copyInPlace(changed);
              }
            });
  }
}
