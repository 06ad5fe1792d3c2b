package org.peftjava.peft.tuner.lora.adalora;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.torch.Tensor;

/**
 * Shares the ranks out among the layers: each rank of each layer, a triplet of a singular value and
 * its two vectors, has an importance, and the least important ones of all layers go.
 *
 * <p>Reference: PEFT {@code RankAllocator.mask_to_budget}.
 */
final class RankAllocator implements AutoCloseable {
  private final Map<String, AdaLoraAdapter> adapters;
  private final double beta1;
  private final double beta2;
  private final Map<String, List<Importance>> importances = new LinkedHashMap<>();

  RankAllocator(AdaLoraConfig config, Map<String, AdaLoraAdapter> adapters) {
    this.adapters = adapters;
    beta1 = config.beta1();
    beta2 = config.beta2();
  }

  /** Whether no step was looked at since the last {@link #reset}. */
  boolean isEmpty() {
    return importances.isEmpty();
  }

  /** Looks at the values and gradients after a step. */
  void update() {
    adapters.forEach(
        (path, adapter) -> {
          List<Importance> three = importances(path);
          three.get(0).update(adapter.a(), beta1, beta2);
          three.get(1).update(adapter.e(), beta1, beta2);
          three.get(2).update(adapter.b(), beta1, beta2);
        });
  }

  /** Those of A, E and B. */
  List<Importance> importances(String path) {
    return importances.computeIfAbsent(
        path,
        key -> {
          AdaLoraAdapter adapter = Objects.requireNonNull(adapters.get(key));
          return List.of(
              Importance.of(adapter.a()), Importance.of(adapter.e()), Importance.of(adapter.b()));
        });
  }

  /** Keeps the most important ranks of all layers and sets the others to 0. */
  void choose(int dropped) {
    Map<String, float[]> scores = new LinkedHashMap<>();
    adapters.keySet().forEach(path -> scores.put(path, scores(importances(path))));
    float threshold = threshold(scores.values(), dropped);
    adapters.forEach(
        (path, adapter) -> {
          float[] own = Objects.requireNonNull(scores.get(path));
          boolean[] stays = new boolean[own.length];
          for (int i = 0; i < own.length; i++) {
            stays[i] = !(own[i] <= threshold);
          }
          adapter.kept(adapter.spread(stays));
          adapter.mask();
        });
  }

  /** The greatest score of those that go. */
  private static float threshold(Iterable<float[]> scores, int dropped) {
    if (dropped <= 0) {
      return Float.NEGATIVE_INFINITY;
    }
    int count = 0;
    for (float[] own : scores) {
      count += own.length;
    }
    float[] all = new float[count];
    int end = 0;
    for (float[] own : scores) {
      System.arraycopy(own, 0, all, end, own.length);
      end += own.length;
    }
    Arrays.sort(all);
    return count == 0 ? Float.NEGATIVE_INFINITY : all[Math.min(dropped, count) - 1];
  }

  /** The importance of each rank: of E, and the means over the elements of its two vectors. */
  private static float[] scores(List<Importance> three) {
    Tensor a = three.get(0).score(); // (r, d)
    Tensor e = three.get(1).score(); // (r, 1)
    Tensor b = three.get(2).score(); // (o, r)
    Tensor vectors = a.sum(1).div(a.size(1)).add(b.sum(0).div(b.size(0)));
    return e.reshape(e.size(0)).add(vectors).toFloats();
  }

  /** Forgets what it has looked at. */
  void reset() {
    importances.values().forEach(three -> three.forEach(Importance::close));
    importances.clear();
  }

  @Override
  public void close() {
    reset();
  }
}
