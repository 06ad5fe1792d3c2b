package org.peftjava.peft.tuner.lora;

import com.google.common.hash.Hashing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.WatchedLinear;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;

/**
 * EVA: the principal components of what each layer gets, and how many ranks each layer gets, so
 * that together they explain most variance. Paper: arXiv:2410.07170.
 *
 * <p>Reference: PEFT {@code tuners/lora/eva.py::_get_eva_state_dict}; values in golden/eva. Layers
 * with the same input share one decomposition.
 *
 * @param <B> a batch
 */
public final class Eva<B> {
  private static final double MOST_RHO = 1000;
  private static final int MOST_PASSES = 10_000;

  private final Module root;
  private final Collection<String> paths;
  private final LoraConfig config;
  private final EvaConfig eva;
  private final EvaOptions<B> options;
  private final Map<String, Integer> components = new LinkedHashMap<>();
  private final Map<String, String> sameInput = new LinkedHashMap<>(); // the layer it is that of
  private final Map<String, EvaLayer> layers = new LinkedHashMap<>();
  private @Nullable Tensor rows;

  private Eva(Module root, Collection<String> paths, LoraConfig config, EvaOptions<B> options) {
    this.root = root;
    this.paths = paths;
    this.config = config;
    this.options = options;
    eva = EvaConfig.of(config.fields().object("eva_config").orElse(Map.of()));
  }

  /**
   * The first values of A for each layer, of different ranks, owned by the current scope.
   *
   * @param root the model, in which no adapter may act
   * @param paths the layers, in the model's order
   * @param loader gives the batches, again and again if need be
   * @throws IllegalStateException if the components do not settle
   */
  public static <B> Map<String, Tensor> stateDict(
      Module root,
      Collection<String> paths,
      Iterable<B> loader,
      LoraConfig config,
      EvaOptions<B> options) {
    boolean training = root.isTraining();
    Eva<B> run = new Eva<>(root, paths, config, options);
    try (GradMode off = GradMode.noGrad()) {
      root.eval();
      return run.decompose(loader);
    } finally {
      run.layers.values().forEach(EvaLayer::close);
      root.train(training);
    }
  }

  private Map<String, Tensor> decompose(Iterable<B> loader) {
    Iterator<B> batches = loader.iterator();
    if (!batches.hasNext()) {
      throw new IllegalArgumentException("EVA needs data, but the dataloader gives no batch.");
    }
    int budget = plan();
    shareInputs(batches.next());
    Map<String, Integer> ranks = new LinkedHashMap<>(components);
    batches = loader.iterator();
    int passes = 0;
    while (!layers.entrySet().stream()
        .allMatch(layer -> layer.getValue().isConverged(rank(ranks, layer.getKey())))) {
      if (!batches.hasNext()) {
        checkComponents();
        batches = loader.iterator();
      }
      if (passes++ == MOST_PASSES) {
        throw new IllegalStateException(
            "EVA's components have not settled after "
                + MOST_PASSES
                + " batches. Lower tau, which is "
                + eva.tau()
                + ", or give larger batches.");
      }
      Map<String, EvaLayer> unsettled = new LinkedHashMap<>(layers);
      unsettled
          .entrySet()
          .removeIf(layer -> layer.getValue().isConverged(rank(ranks, layer.getKey())));
      pass(batches.next(), unsettled);
      if (layers.values().stream().allMatch(EvaLayer::hasComponents)) {
        ranks.putAll(ranks(budget));
      }
    }
    Map<String, Tensor> result = new LinkedHashMap<>();
    components
        .keySet()
        .forEach(path -> result.put(path, layerOf(path).first(rank(ranks, path), eva.whiten())));
    return result;
  }

  /** Sets how many components each layer may have; gives the ranks of all together. */
  private int plan() {
    double rho = eva.rho();
    if (rho > MOST_RHO) {
      long widest =
          root.namedParameters().values().stream()
              .flatMapToLong(p -> Arrays.stream(p.shape().toArray()))
              .max()
              .orElse(1);
      long most = widest / config.r(); // whole, as in Python
      rho = Math.min(rho, most);
    }
    int budget = 0;
    for (String path : paths) {
      int rank = LayerTunerMethod.rank(config, path);
      components.put(path, (int) Math.rint(rank * rho));
      budget += rank;
    }
    return budget;
  }

  /** Finds out which layers get the same, and makes a decomposition for each group. */
  private void shareInputs(B batch) {
    Map<String, String> hashes = new LinkedHashMap<>();
    Map<String, WatchedLinear.Watcher> watchers = new LinkedHashMap<>();
    for (String path : paths) {
      watchers.put(
          path,
          new WatchedLinear.Watcher() {
            @Override
            public void input(Tensor x) {
              try (TensorScope scope = TensorScope.open("eva inputs")) {
                byte[] bytes = taken(x, path).contiguous().toBytes();
                hashes.putIfAbsent(path, Hashing.sha256().hashBytes(bytes).toString());
              }
            }
          });
    }
    pass(batch, watchers);
    Map<String, List<String>> groups = new LinkedHashMap<>();
    for (String path : paths) {
      String hash = hashes.get(path);
      if (hash == null) {
        throw new IllegalArgumentException(
            "EVA: the forward pass does not use the layer \"" + path + "\". Do not target it.");
      }
      groups.computeIfAbsent(hash, key -> new ArrayList<>()).add(path);
    }
    for (List<String> group : groups.values()) {
      int most = group.stream().mapToInt(path -> rank(components, path)).max().orElse(0);
      group.forEach(path -> components.put(path, most));
      group.subList(1, group.size()).forEach(path -> sameInput.put(path, group.get(0)));
    }
    for (String path : paths) {
      if (!sameInput.containsKey(path)) {
        layers.put(
            path, new EvaLayer(path, rank(components, path), eva.tau(), x -> taken(x, path)));
      }
    }
  }

  private Tensor taken(Tensor x, String path) {
    return options.layerInputs().prepare(x.detach(), rows, path);
  }

  private void pass(B batch, Map<String, ? extends WatchedLinear.Watcher> watchers) {
    try (TensorScope scope = TensorScope.open("eva pass")) {
      rows = options.modelInputs().apply(batch, config);
      WatchedLinear.during(root, watchers, () -> options.forward().accept(batch));
    } finally {
      rows = null;
    }
  }

  private void checkComponents() {
    layers.forEach(
        (path, layer) -> {
          if (!layer.hasComponents()) {
            throw new IllegalArgumentException(
                "EVA: no batch has enough tokens that count for the layer \""
                    + path
                    + "\", which needs "
                    + rank(components, path)
                    + ". Give larger batches, or lower r or rho.");
          }
        });
  }

  /** Shares the budget out: the components that explain most of their layer's variance. */
  private Map<String, Integer> ranks(int budget) {
    record Component(String path, float ratio) {}
    List<Component> all = new ArrayList<>();
    List<String> order = new ArrayList<>(layers.keySet());
    order.addAll(sameInput.keySet());
    for (String path : order) {
      for (float ratio : layerOf(path).ratios()) {
        all.add(new Component(path, ratio));
      }
    }
    all.sort(Comparator.comparingDouble((Component component) -> -component.ratio()));
    Map<String, Integer> result = new LinkedHashMap<>();
    order.forEach(path -> result.put(path, 0));
    all.subList(0, Math.min(budget, all.size()))
        .forEach(component -> result.merge(component.path(), 1, Integer::sum));
    sameInput.forEach(
        (path, first) -> {
          int own = rank(result, path);
          int other = rank(result, first);
          if (other < own) { // the layer that is decomposed needs the most components
            result.put(first, own);
            result.put(path, other);
          }
        });
    return result;
  }

  private EvaLayer layerOf(String path) {
    return Objects.requireNonNull(layers.get(sameInput.getOrDefault(path, path)));
  }

  private static int rank(Map<String, Integer> ranks, String path) {
    return Objects.requireNonNull(ranks.get(path));
  }
}
