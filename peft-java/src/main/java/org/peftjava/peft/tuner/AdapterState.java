package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/**
 * What belongs to one adapter, under the names that its file has below the base model: without the
 * adapter's name.
 *
 * <p>Reference: PEFT {@code BaseTuner._get_adapter_state_dict, _get_learnable_bias_state_dict}.
 */
public final class AdapterState {
  private AdapterState() {}

  /** What is not below the base model: the virtual tokens of the adapter, if it has some. */
  public static Map<String, AdapterTensor> prompts(TunedModel model, String adapter) {
    ActingPrompt prompt = model.prompts().all().get(adapter);
    return prompt == null ? Map.of() : prompt.encoder().saved();
  }

  /** The network that computes the adapter's virtual tokens, if one does. */
  public static Optional<PromptEncoder> network(TunedModel model, String adapter) {
    return Optional.ofNullable(model.prompts().all().get(adapter))
        .map(ActingPrompt::encoder)
        .filter(PromptEncoder::isNetwork);
  }

  /**
   * What the adapter's layers hold, its full copies of modules and the biases it trains, as in its
   * file.
   */
  public static Map<String, AdapterTensor> entries(TunedModel model, String adapter) {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    own(model, adapter)
        .forEach(
            (path, own) ->
                own.saved().forEach((name, entry) -> result.put(path + "." + name, entry)));
    beside(model, adapter)
        .forEach((name, parameter) -> result.put(name, AdapterTensor.of(parameter)));
    return result;
  }

  /** The parameters of the adapter in its layers, and what these share. */
  public static List<Parameter> parameters(TunedModel model, String adapter) {
    return Stream.concat(
            own(model, adapter).values().stream().map(LayerAdapter::weights),
            Stream.of(model.shared().getOrDefault(adapter, SharedWeights.NONE).weights()))
        .flatMap(List::stream)
        .filter(LayerAdapter.Weight::isParameter)
        .map(LayerAdapter.Weight::parameter)
        .toList();
  }

  /** The adapter in each layer that has it, by the layer's path. */
  private static Map<String, LayerAdapter> own(TunedModel model, String adapter) {
    model.adapters().checkKnown(List.of(adapter));
    Map<String, LayerAdapter> result = new LinkedHashMap<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter own = layer.adapters().get(adapter);
              if (own != null) {
                result.put(path, own);
              }
            });
    return result;
  }

  /** Full copies of modules, and biases of the base. */
  private static Map<String, Parameter> beside(TunedModel model, String adapter) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    model
        .savedModules()
        .forEach(
            (path, module) -> {
              Module copy = module.copies().get(adapter);
              if (copy != null) {
                copy.namedState()
                    .forEach((name, parameter) -> result.put(path + "." + name, parameter));
              }
            });
    TunerConfig config = model.configs().get(adapter);
    if (config != null) {
      result.putAll(Trainability.biases(model, adapter, Trainability.bias(config)));
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

  private static String base(AdaptedLayer layer) {
    return layer.hasOnlyTokens() ? ".token_adapter.base_layer." : ".base_layer.";
  }

  /**
   * Every parameter that one of the adapter's files may hold beyond {@link #entries}: embeddings.
   */
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
                    .forEach((name, value) -> result.put(path + base(adapted) + name, value));
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

  /**
   * Biases of layers that an adapter leaves alone. With bias="lora_only" PEFT writes those of
   * layers that have other adapters too; values for them change nothing.
   */
  public static Map<String, AdapterTensor> otherBiases(TunedModel model, String adapter) {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    TunerConfig config = model.configs().get(adapter);
    if (config != null && Trainability.bias(config) == TunerMethod.BiasTraining.ADAPTED) {
      Trainability.biases(model, adapter, TunerMethod.BiasTraining.ALL)
          .forEach(
              (name, bias) ->
                  result.put(
                      name,
                      new AdapterTensor(bias.shape(), () -> bias.tensor().detach(), value -> {})));
    }
    return result;
  }

  /**
   * The embeddings of the base below full copies: PEFT writes them where tokens were added, and
   * what the model computes without its adapters depends on them.
   */
  public static Map<String, Parameter> copiedEmbeddings(TunedModel model) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    BaseModel base = model.base();
    Stream.of(base.inputEmbeddings(), base.outputEmbeddings())
        .flatMap(Optional::stream)
        .forEach(
            path -> {
              SavedModule saved = model.savedModules().get(path);
              if (saved != null) {
                saved
                    .original()
                    .namedState()
                    .forEach((name, value) -> result.put(path + ".original_module." + name, value));
              }
            });
    return result;
  }
}
