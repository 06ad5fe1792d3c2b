package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.peft.tuner.AdaptedLinear;
import org.peftjava.peft.tuner.AdapterRebuild;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives an adapter the ranks and first values that {@link Eva} has found; layers without a rank
 * lose their adapter. Reference: PEFT {@code tuners/lora/eva.py::_load_eva_state_dict}.
 */
public final class EvaStart {
  private static final Logger LOG = LoggerFactory.getLogger(EvaStart.class);

  private final TunedModel model;
  private final String adapter;
  private final LoraConfig config;
  private final Set<String> found = new LinkedHashSet<>();
  private final Set<String> off = new LinkedHashSet<>();
  private final List<String> missing = new ArrayList<>();
  private final Map<String, Object> ranks = new LinkedHashMap<>();
  private final Map<String, Object> alphas = new LinkedHashMap<>();

  private EvaStart(TunedModel model, String adapter, LoraConfig config) {
    this.model = model;
    this.adapter = adapter;
    this.config = config;
  }

  /** The layers of an adapter that EVA can initialize, by path. */
  public static List<String> paths(TunedModel model, String adapter) {
    return model.layers().entrySet().stream()
        .filter(layer -> layer.getValue() instanceof AdaptedLinear)
        .filter(layer -> layer.getValue().adapters().containsKey(adapter))
        .map(Map.Entry::getKey)
        .toList();
  }

  /** The config of an adapter that waits for this. */
  public static LoraConfig config(TunedModel model, String adapter) {
    model.adapters().checkKnown(List.of(adapter));
    if (model.configs().get(adapter) instanceof LoraConfig config
        && config.initLoraWeights() instanceof LoraInit.Eva) {
      return config;
    }
    throw new IllegalArgumentException(
        "Adapter \""
            + adapter
            + "\" does not start with EVA. Make it with initLoraWeights(new LoraInit.Eva()).");
  }

  /**
   * Initializes an adapter. Nothing changes if it throws.
   *
   * @param values first values of A by path, each (rank, d)
   */
  public static void apply(TunedModel model, String adapter, Map<String, Tensor> values) {
    LoraConfig config = config(model, adapter);
    if (model.adapters().active().size() > 1) {
      throw new IllegalStateException(
          "EVA initializes one adapter, but several act: " + model.adapters().active() + ".");
    }
    new EvaStart(model, adapter, config).apply(values);
  }

  private void apply(Map<String, Tensor> values) {
    boolean adjusts =
        EvaConfig.of(config.fields().object("eva_config").orElse(Map.of())).adjustScalingFactors();
    for (Map.Entry<String, AdaptedLayer> entry : model.layers().entrySet()) {
      String path = entry.getKey();
      if (entry.getValue().adapters().get(adapter) == null) {
        continue;
      }
      Tensor value = values.get(path);
      if (value == null || !(entry.getValue() instanceof AdaptedLinear linear)) {
        missing.add(path);
        keep(path, LayerTunerMethod.rank(config, path), false);
        continue;
      }
      if (value.rank() != 2 || value.size(1) != linear.inFeatures()) {
        throw new IllegalArgumentException(
            "EVA: the values for \""
                + path
                + "\" are "
                + value.shape()
                + ", expected (rank, "
                + linear.inFeatures()
                + ").");
      }
      if (value.size(0) == 0) {
        off.add(path);
      } else {
        found.add(path);
        keep(path, Math.toIntExact(value.size(0)), adjusts);
      }
    }
    if (!missing.isEmpty()) {
      LOG.warn("EVA has no values for {}, which start as usual.", missing);
    }
    rebuild(values);
  }

  /** Notes the rank of a layer, and its alpha if it moves with the rank. */
  private void keep(String path, int rank, boolean adjusts) {
    int before = LayerTunerMethod.rank(config, path);
    Number alpha =
        LayerTunerMethod.pattern(config, "alpha_pattern", path)
            .orElseGet(() -> (Number) Objects.requireNonNull(config.fields().get("lora_alpha")));
    if (rank != before && adjusts) {
      alpha = alpha.doubleValue() * ((double) rank / before);
    }
    if (rank != config.r()) {
      ranks.put(path, rank);
    }
    if (alpha.doubleValue() != config.loraAlpha()) {
      alphas.put(path, alpha);
    }
  }

  private void rebuild(Map<String, Tensor> values) {
    LoraConfig changed =
        config
            .with("rank_pattern", ranks)
            .with("alpha_pattern", alphas)
            .with("layers_to_transform", null)
            .with("layers_pattern", null);
    AdapterRebuild.run(
        model,
        adapter,
        changed,
        found,
        off,
        made ->
            made.forEach(
                (path, layer) -> {
                  Tensor value = Objects.requireNonNull(values.get(path));
                  Parameter a = layer.weights().get(0).parameter();
                  a.copyFrom(value.to(DType.FLOAT32));
                }));
  }
}
