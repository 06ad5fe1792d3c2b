package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.Replacement;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Puts another LoRA adapter in the place of one, under its name.
 *
 * <p>Ranks do not shrink: smaller matrices are filled up with zeros. Reference: PEFT {@code
 * utils/hotswap.py}. Unlike there, patterns of ranks and alphas count, and the config says
 * afterwards what the adapter is, so that it can be saved.
 */
public final class LoraHotswap {
  private static final List<String> SAME =
      List.of(
          "use_rslora",
          "lora_dropout",
          "use_dora",
          "lora_bias",
          "modules_to_save",
          "trainable_token_indices");

  private final TunedModel model;
  private final String name;
  private final LoraConfig present;
  private final Map<String, LayerAdapter> layers = new LinkedHashMap<>();
  private final Map<String, Parameter> heads = new LinkedHashMap<>(); // modules trained in full

  /** The adapter that is to be changed; it must be LoRA and not merged. */
  public LoraHotswap(TunedModel model, String name) {
    this.model = model;
    this.name = name;
    AdapterSet set = model.adapters();
    set.checkKnown(List.of(name));
    set.checkIdle("swap adapter \"" + name + "\"");
    if (set.merged().contains(name)) {
      throw new IllegalStateException(
          "Cannot hot-swap adapter \""
              + name
              + "\" because it is merged into the base weights. Call unmergeAdapter() first.");
    }
    TunerConfig config = Objects.requireNonNull(model.configs().get(name));
    if (!(config instanceof LoraConfig lora)) {
      throw new IllegalArgumentException(
          "Hot-swapping only supports LORA, but adapter \"" + name + "\" is " + config.peftType());
    }
    if (lora.fields().isSet("trainable_token_indices")
        || lora.fields().isSet("target_parameters")) {
      throw new UnsupportedOperationException(
          "An adapter with trainableTokenIndices or targetParameters cannot be hot-swapped. Delete"
              + " it and load the other one.");
    }
    present = lora;
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter adapter = layer.adapters().get(name);
              if (adapter != null) {
                layers.put(path, adapter);
              }
            });
    model
        .savedModules()
        .forEach(
            (path, module) -> {
              Module copy = module.copies().get(name);
              if (copy != null) {
                copy.namedState().forEach((own, value) -> heads.put(path + "." + own, value));
              }
            });
  }

  /** Throws unless an adapter of this config can take the place. */
  public LoraConfig compatible(TunerConfig other) {
    if (!(other instanceof LoraConfig lora)) {
      throw new IllegalArgumentException(
          "Incompatible PEFT types found: LORA and " + other.peftType() + ".");
    }
    for (String field : SAME) {
      Object old = present.fields().get(field);
      Object given = lora.fields().get(field);
      if (!Objects.equals(old, given)) {
        throw new IllegalArgumentException(
            "Configs are incompatible: for " + field + ", " + old + " != " + given + ".");
      }
    }
    return lora;
  }

  /**
   * Takes values over. What has no value in them becomes zero.
   *
   * @param state by keys below the base model, such as "layers.0.q_proj.lora_A.weight"
   * @param other the config of the adapter that they are from
   */
  public void swap(Map<String, Tensor> state, TunerConfig other) {
    LoraConfig config = compatible(other);
    check(state);
    Map<String, Integer> ranks = new LinkedHashMap<>();
    Map<String, Double> scalings = new LinkedHashMap<>();
    layers.forEach(
        (path, adapter) -> {
          int rank = rank(adapter);
          int given = 0;
          for (Weight weight : adapter.weights()) {
            Tensor value = state.get(path + "." + weight.fileName());
            if (given == 0 && value != null && rankDim(weight) >= 0) {
              given = Math.toIntExact(value.size(rankDim(weight)));
            }
          }
          ranks.put(path, Math.max(rank, given));
          scalings.put(path, LoraMethod.scaling(given == 0 ? present : config, path));
        });
    LoraConfig described = kept(LoraRanks.describe(config, ranks, scalings));
    try (AdapterSet.Running alone = model.adapters().change("swap adapter \"" + name + "\"")) {
      Replacement.of(model, name, described, making(described), made -> fill(made, state));
      heads.forEach((key, place) -> place.copyFrom(Objects.requireNonNull(state.get(key))));
    }
  }

  /** Throws if the adapter has a larger rank somewhere. */
  public void checkPadding(int targetRank) {
    layers.forEach(
        (path, adapter) -> {
          if (adapter instanceof BlockLoraAdapter && rank(adapter) != targetRank) {
            throw new UnsupportedOperationException(
                "An adapter with blocks (useBdlora) cannot be padded to another rank.");
          }
          if (rank(adapter) > targetRank) {
            throw new IllegalArgumentException(
                "Trying to pad the adapter to the target rank "
                    + targetRank
                    + ", but the original rank is larger ("
                    + rank(adapter)
                    + "). This is not possible.");
          }
        });
  }

  /** Fills matrices up with zeros to a rank; the adapter does what it did. */
  public void pad(int targetRank) {
    checkPadding(targetRank);
    Map<String, Integer> ranks = new LinkedHashMap<>();
    Map<String, Double> scalings = new LinkedHashMap<>();
    Map<String, Tensor> state = new LinkedHashMap<>();
    layers.forEach(
        (path, adapter) -> {
          ranks.put(path, targetRank);
          scalings.put(path, LoraMethod.scaling(present, path));
          adapter
              .weights()
              .forEach(
                  weight ->
                      state.put(
                          path + "." + weight.fileName(), weight.parameter().tensor().detach()));
        });
    LoraConfig described = LoraRanks.describe(present, ranks, scalings);
    try (AdapterSet.Running alone = model.adapters().change("pad adapter \"" + name + "\"")) {
      Replacement.of(model, name, described, making(described), made -> fill(made, state));
    }
  }

  private LoraConfig kept(LoraConfig config) {
    LoraConfig result = config;
    for (String field :
        List.of("target_modules", "inference_mode", "base_model_name_or_path", "task_type")) {
      result = result.with(field, present.fields().get(field));
    }
    return result;
  }

  private static LoraConfig making(LoraConfig config) {
    return config.with("init_lora_weights", true);
  }

  private void check(Map<String, Tensor> state) {
    List<String> unexpected = new ArrayList<>(state.keySet());
    layers.forEach(
        (path, adapter) -> {
          String base = path + ".base_layer.weight"; // saved with targeted embeddings
          if (unexpected.remove(base)) {
            checkBase(path, Objects.requireNonNull(state.get(base)));
          }
          long[] given = {-1};
          for (Weight weight : adapter.weights()) {
            String key = path + "." + weight.fileName();
            unexpected.remove(key);
            Tensor value = state.get(key);
            if (value != null) {
              checkShape(key, weight, freeDim(adapter, weight), value, given);
            }
          }
        });
    heads.forEach(
        (key, place) -> {
          unexpected.remove(key);
          Tensor value = state.get(key);
          if (value == null || !value.shape().equals(place.shape())) {
            throw new IllegalArgumentException(
                "The new adapter has no "
                    + key
                    + " of shape "
                    + place.shape()
                    + ", which the present one trains in full (modulesToSave).");
          }
        });
    if (!unexpected.isEmpty()) {
      throw new IllegalArgumentException(
          "Hot swapping the adapter did not succeed, unexpected keys found: "
              + String.join(", ", unexpected)
              + ".");
    }
  }

  private void checkBase(String path, Tensor given) {
    Parameter own =
        Objects.requireNonNull(model.layers().get(path)).original().ownParameters().get("weight");
    if (own == null
        || !own.shape().equals(given.shape())
        || given.to(own.dtype()).sub(own.tensor().detach()).abs().max().toDouble() != 0) {
      throw new IllegalArgumentException(
          "The new adapter was made for another base weight of " + path + ".");
    }
  }

  private static void checkShape(String key, Weight weight, int free, Tensor value, long[] rank) {
    Shape place = weight.parameter().shape();
    boolean fits = value.shape().rank() == place.rank();
    for (int dim = 0; fits && dim < place.rank(); dim++) {
      if (dim == free) {
        fits = value.size(dim) > 0 && (rank[0] < 0 || rank[0] == value.size(dim));
        rank[0] = value.size(dim);
      } else {
        fits = value.size(dim) == place.get(dim);
      }
    }
    if (!fits) {
      throw new IllegalArgumentException(
          "Incompatible shapes found for LoRA weights "
              + key
              + ": "
              + place
              + " here, "
              + value.shape()
              + " given.");
    }
  }

  private static void fill(Map<String, LayerAdapter> made, Map<String, Tensor> state) {
    made.forEach(
        (path, adapter) -> {
          for (Weight weight : adapter.weights()) {
            Tensor place = weight.parameter().tensor().detach();
            place.fillInPlace(0);
            Tensor value = state.get(path + "." + weight.fileName());
            if (value != null) {
              int free = freeDim(adapter, weight);
              (free < 0 ? place : place.narrow(free, 0, value.size(free))).copyInPlace(value);
            }
          }
        });
  }

  private static int rank(LayerAdapter adapter) {
    for (Weight weight : adapter.weights()) {
      if (rankDim(weight) >= 0) {
        return Math.toIntExact(weight.parameter().shape().get(rankDim(weight)));
      }
    }
    throw new IllegalStateException("A LoRA adapter without matrices.");
  }

  /** The dimension of a weight that may be another one: zeros cannot stand behind blocks. */
  private static int freeDim(LayerAdapter adapter, Weight weight) {
    return adapter instanceof BlockLoraAdapter ? -1 : rankDim(weight);
  }

  /** The dimension of a weight that is the rank, or a part of it; -1 if none is. */
  private static int rankDim(Weight weight) {
    if (weight.leaf().equals("bias")) {
      return -1;
    }
    return switch (weight.group()) {
      case "lora_A", "lora_embedding_A" -> 0;
      case "lora_B", "lora_embedding_B" -> 1;
      default -> -1;
    };
  }
}
