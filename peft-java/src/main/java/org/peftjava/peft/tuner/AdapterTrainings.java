package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** What the adapters of a model do around the steps of training: see {@link AdapterTraining}. */
public final class AdapterTrainings {
  private final TunedModel model;
  private final Map<String, Part<?>> parts = new LinkedHashMap<>();

  AdapterTrainings(TunedModel model) {
    this.model = model;
  }

  /** One adapter's part, with the class of its config. */
  private record Part<C extends TunerConfig>(Class<C> type, AdapterTraining<C> training) {
    TunerConfig afterStep(int step, TunerConfig config) {
      return training.afterStep(step, type.cast(config));
    }

    TunerConfig adopt(TunerConfig config, TunerConfig saved) {
      return training.adopt(type.cast(config), type.cast(saved));
    }
  }

  void add(String adapter, TunerConfig config) {
    if (TunerMethods.get(config.peftType()) instanceof TunerMethod<?> method) {
      add(method, adapter, config);
    }
  }

  private <C extends TunerConfig> void add(
      TunerMethod<C> method, String adapter, TunerConfig config) {
    Map<String, LayerAdapter> adapters = new LinkedHashMap<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter own = layer.adapters().get(adapter);
              if (own != null) {
                adapters.put(path, own);
              }
            });
    Class<C> type = method.configType();
    method
        .training(type.cast(config), adapters)
        .ifPresent(training -> parts.put(adapter, new Part<>(type, training)));
  }

  void delete(String adapter) {
    Part<?> part = parts.remove(adapter);
    if (part != null) {
      part.training().close();
    }
  }

  void close() {
    List.copyOf(parts.keySet()).forEach(this::delete);
  }

  /** Whether any adapter, trained or not, has such a part. */
  public boolean isEmpty() {
    return parts.isEmpty();
  }

  /** The sum of what the adapters that act and are trained add to a loss, in the graph. */
  public Optional<Tensor> penalty() {
    return model.adapters().isEnabled()
        ? parts.entrySet().stream()
            .filter(entry -> model.isTrained(entry.getKey()))
            .map(entry -> entry.getValue().training().penalty())
            .reduce(Tensor::add)
        : Optional.empty();
  }

  /**
   * To be called after an optimizer's step and before the gradients are dropped.
   *
   * @param step counted from 0
   */
  public void afterStep(int step) {
    try (TensorScope scope = TensorScope.open("after step");
        GradMode off = GradMode.noGrad()) {
      parts.forEach(
          (name, part) -> {
            if (model.isTrained(name)) {
              model.config(name, part.afterStep(step, config(name)));
            }
          });
    }
  }

  /** Takes over what training had changed in a saved config, and gives back how to undo it. */
  public Runnable adopt(String adapter, TunerConfig saved) {
    Part<?> part = parts.get(adapter);
    if (part == null) {
      return () -> {};
    }
    TunerConfig before = config(adapter);
    model.config(adapter, part.adopt(before, saved));
    return () -> model.config(adapter, part.adopt(before, before));
  }

  /** The state of all adapters by {@code <adapter>.<name>}, owned by the current scope. */
  public Map<String, Tensor> state() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    parts.forEach(
        (adapter, part) ->
            part.training()
                .state()
                .forEach((name, tensor) -> result.put(adapter + "." + name, tensor)));
    return result;
  }

  /** Takes such a state back. */
  public void load(Map<String, Tensor> state) {
    parts.forEach(
        (adapter, part) -> {
          Map<String, Tensor> own = new LinkedHashMap<>();
          state.forEach(
              (name, tensor) -> {
                if (name.startsWith(adapter + ".")) {
                  own.put(name.substring(adapter.length() + 1), tensor);
                }
              });
          part.training().load(own);
        });
  }

  private TunerConfig config(String adapter) {
    @Nullable TunerConfig config = model.configs().get(adapter);
    return Objects.requireNonNull(config);
  }
}
