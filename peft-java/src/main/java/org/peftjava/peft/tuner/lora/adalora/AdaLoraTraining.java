package org.peftjava.peft.tuner.lora.adalora;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.AdapterTraining;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * What AdaLoRA does in training: a penalty of vectors that are not orthogonal to each other, and
 * the sharing out of the rank among the layers.
 *
 * <p>Reference: PEFT {@code AdaLoraModel.forward, update_and_allocate}; values in
 * golden/adalora_schedule.
 */
final class AdaLoraTraining implements AdapterTraining<AdaLoraConfig> {
  private final Map<String, AdaLoraAdapter> adapters;
  private final BudgetSchedule schedule;
  private final RankAllocator allocator;
  private final double weight;
  private int lastStep = -1;

  AdaLoraTraining(AdaLoraConfig config, Map<String, AdaLoraAdapter> adapters) {
    this.adapters = adapters;
    int initial = adapters.values().stream().mapToInt(AdaLoraAdapter::rank).sum();
    schedule = new BudgetSchedule(initial, config.targetR() * adapters.size(), config);
    allocator = new RankAllocator(config, adapters);
    weight = config.orthRegWeight();
  }

  @Override
  public Tensor penalty() {
    Tensor sum = null;
    for (AdaLoraAdapter adapter : adapters.values()) {
      Tensor a = adapter.a().tensor();
      Tensor b = adapter.b().tensor();
      Tensor both =
          LinearAlgebra.distanceToIdentity(a.matmul(a.t()))
              .add(LinearAlgebra.distanceToIdentity(b.t().matmul(b)));
      sum = sum == null ? both : sum.add(both);
    }
    if (sum == null) {
      throw new IllegalStateException("An AdaLoRA adapter without layers.");
    }
    return sum.div(2.0 * adapters.size()).mul(weight);
  }

  /** A step that was seen already is not seen again. */
  @Override
  public AdaLoraConfig afterStep(int step, AdaLoraConfig config) {
    if (step == lastStep) {
      return config;
    }
    AdaLoraConfig result = allocated(step, config);
    lastStep = step;
    return result;
  }

  private AdaLoraConfig allocated(int step, AdaLoraConfig config) {
    if (step > schedule.end()) {
      adapters.values().forEach(AdaLoraAdapter::mask);
      return config;
    }
    if (step < schedule.end()) {
      allocator.update();
    }
    if (schedule.chooses(step) && !allocator.isEmpty()) {
      allocator.choose(schedule.initial() - schedule.budget(step));
      if (step == schedule.end()) {
        allocator.reset();
      }
      Map<String, List<Boolean>> kept = new LinkedHashMap<>();
      adapters.forEach((path, adapter) -> kept.put(path, adapter.kept()));
      return config.withRanks(kept);
    }
    return config;
  }

  @Override
  public AdaLoraConfig adopt(AdaLoraConfig config, AdaLoraConfig saved) {
    Map<String, List<Boolean>> pattern = saved.rankPattern();
    if (saved.initR() != config.initR()) {
      throw saved.fields().invalid("init_r", "must be the adapter's, " + config.initR());
    }
    adapters.forEach(
        (path, adapter) -> {
          boolean[] all = new boolean[adapter.rank()];
          Arrays.fill(all, true);
          adapter.kept(pattern.getOrDefault(path, adapter.spread(all)));
        });
    return config.withRanks(pattern);
  }

  @Override
  public Map<String, Tensor> state() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    adapters.forEach(
        (path, adapter) ->
            parameters(path, adapter)
                .forEach((name, parameter) -> result.put(name, parameter.tensor().detach())));
    if (!allocator.isEmpty()) {
      adapters.forEach(
          (path, adapter) -> {
            List<String> names = List.copyOf(parameters(path, adapter).keySet());
            for (int i = 0; i < names.size(); i++) {
              allocator.importances(path).get(i).save(names.get(i), result);
            }
          });
    }
    return result;
  }

  @Override
  public void load(Map<String, Tensor> state) {
    Map<String, Parameter> all = new LinkedHashMap<>();
    adapters.forEach((path, adapter) -> all.putAll(parameters(path, adapter)));
    all.forEach((name, parameter) -> entry(state, name, parameter.shape()));
    all.forEach((name, parameter) -> parameter.copyFrom(entry(state, name, parameter.shape())));
    allocator.reset();
    lastStep = -1;
    if (state.size() > all.size()) {
      adapters.forEach(
          (path, adapter) -> {
            List<String> names = List.copyOf(parameters(path, adapter).keySet());
            for (int i = 0; i < names.size(); i++) {
              allocator.importances(path).get(i).load(names.get(i), state);
            }
          });
    }
  }

  /** A, E and B by name. */
  private static Map<String, Parameter> parameters(String path, AdaLoraAdapter adapter) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    result.put(path + ".lora_A", adapter.a());
    result.put(path + ".lora_E", adapter.e());
    result.put(path + ".lora_B", adapter.b());
    return result;
  }

  static Tensor entry(Map<String, Tensor> state, String name, Shape shape) {
    Tensor found = state.get(name);
    if (found == null || !found.shape().equals(shape)) {
      throw new IllegalArgumentException(
          "The state of AdaLoRA's training "
              + (found == null ? "lacks " + name : "has " + name + " of shape " + found.shape())
              + ", expected one of shape "
              + shape
              + ". Is the checkpoint of another adapter?");
    }
    return found;
  }

  @Override
  public void close() {
    allocator.close();
  }
}
