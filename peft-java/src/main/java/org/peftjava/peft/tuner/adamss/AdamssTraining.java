package org.peftjava.peft.tuner.adamss;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.tuner.AdapterTraining;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * What AdaMSS does in training with {@code use_asa}: at intervals, training stops in the least
 * important subspaces of all layers, so that their number falls to a target.
 *
 * <p>Reference: PEFT {@code AdamssModel.update_and_allocate}; values in golden/adamss_schedule.
 * With a target of k, the k - 1 most important ones stay, as in Python.
 */
final class AdamssTraining implements AdapterTraining<AdamssConfig> {
  private final Map<String, Subspace> subspaces = new LinkedHashMap<>();
  private int lastStep = -1;

  AdamssTraining(Map<String, AdamssAdapter> adapters) {
    adapters.forEach(
        (path, adapter) -> {
          for (int i = 0; i < adapter.a().size(); i++) {
            subspaces.put(path + "." + i, new Subspace(adapter.a().get(i), adapter.b().get(i)));
          }
        });
  }

  /** Nothing. */
  @Override
  public Tensor penalty() {
    return Creation.zeros(DType.FLOAT32);
  }

  /** A step that was seen already is not seen again. */
  @Override
  public AdamssConfig afterStep(int step, AdamssConfig config) {
    if (step == lastStep || step < config.initWarmup() || step > config.finalWarmup()) {
      return config;
    }
    lastStep = step;
    subspaces
        .values()
        .forEach(
            subspace -> subspace.update(config.asaImportanceBeta(), config.asaUncertaintyBeta()));
    if (step % config.maskInterval() == 0) {
      choose(target(step, config));
      subspaces.values().forEach(Subspace::close);
    }
    return config;
  }

  private int target(int step, AdamssConfig config) {
    double left =
        1 - (step - config.initWarmup()) / (double) (config.finalWarmup() - config.initWarmup());
    int last = config.asaTargetSubspaces();
    return (int) (last + (subspaces.size() - last) * Math.pow(left, config.asaScheduleExponent()));
  }

  private void choose(int target) {
    Map<Subspace, Float> scores = new LinkedHashMap<>();
    subspaces
        .values()
        .forEach(
            subspace -> {
              Optional<Float> score = subspace.score();
              score.ifPresent(value -> scores.put(subspace, value));
            });
    List<Float> sorted = new ArrayList<>(scores.values());
    sorted.sort(Collections.reverseOrder());
    double bound =
        target >= sorted.size() ? Double.NEGATIVE_INFINITY : sorted.get(Math.max(target, 1) - 1);
    scores.forEach((subspace, score) -> subspace.train(score > bound));
  }

  @Override
  public AdamssConfig adopt(AdamssConfig config, AdamssConfig saved) {
    return config;
  }

  @Override
  public Map<String, Tensor> state() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    subspaces.forEach((name, subspace) -> subspace.save(name, result));
    return result;
  }

  @Override
  public void load(Map<String, Tensor> state) {
    subspaces.forEach((name, subspace) -> subspace.check(name, state));
    subspaces.forEach((name, subspace) -> subspace.load(name, state));
    lastStep = -1;
  }

  @Override
  public void close() {
    subspaces.values().forEach(Subspace::close);
  }
}
