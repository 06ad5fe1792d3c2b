package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/**
 * The parameters that belong to one adapter, under the names that its file has below the base
 * model: without the adapter's name.
 *
 * <p>Reference: PEFT {@code BaseTuner._get_adapter_state_dict, _get_learnable_bias_state_dict}.
 */
public final class AdapterState {
  private AdapterState() {}

  /** The adapter's own parameters, its full copies of modules, and the biases it trains. */
  public static Map<String, Parameter> of(TunedModel model, String adapter) {
    model.adapters().checkKnown(List.of(adapter));
    Map<String, Parameter> result = new LinkedHashMap<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter own = layer.adapters().get(adapter);
              if (own != null) {
                own.weights().stream()
                    .filter(LayerAdapter.Weight::isSaved)
                    .forEach(
                        weight -> result.put(path + "." + weight.fileName(), weight.parameter()));
              }
            });
    model
        .savedModules()
        .forEach(
            (path, module) -> {
              if (module.copies().containsKey(adapter)) {
                module
                    .copies()
                    .get(adapter)
                    .namedState()
                    .forEach((name, parameter) -> result.put(path + "." + name, parameter));
              }
            });
    TunerConfig config = model.configs().get(adapter);
    if (config != null) {
      result.putAll(Trainability.biases(model, Trainability.bias(config)));
    }
    return result;
  }

  /** What the adapter's layers share, under its names beside the base model. */
  public static Map<String, Parameter> shared(TunedModel model, String adapter) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    model.shared().getOrDefault(adapter, SharedWeights.NONE).weights().stream()
        .filter(LayerAdapter.Weight::isSaved)
        .forEach(weight -> result.put(weight.fileName(), weight.parameter()));
    return result;
  }

  /** Every parameter that one of the adapter's files may hold beyond {@link #of}: embeddings. */
  public static Map<String, Parameter> embeddings(TunedModel model, boolean adaptedOnly) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    BaseModel base = model.base();
    Stream.of(base.inputEmbeddings(), base.outputEmbeddings())
        .flatMap(Optional::stream)
        .forEach(
            path -> {
              AdaptedLayer adapted = model.layers().get(path);
              if (adapted != null) {
                adapted
                    .original()
                    .namedState()
                    .forEach((name, value) -> result.put(path + ".base_layer." + name, value));
              } else if (!adaptedOnly && !model.savedModules().containsKey(path)) {
                ModulePath.find(base.root(), path)
                    .ifPresent(
                        module ->
                            module
                                .namedState()
                                .forEach((name, value) -> result.put(path + "." + name, value)));
              }
            });
    return result;
  }
}
