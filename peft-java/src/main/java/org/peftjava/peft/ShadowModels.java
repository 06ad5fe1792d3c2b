package org.peftjava.peft;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.SideModel;
import org.peftjava.peft.tuner.SideModels;
import org.peftjava.torch.DType;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StackLayer;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;

/**
 * Makes the small models that ShadowPEFT sets beside a decoder.
 *
 * <p>Reference: PEFT {@code tuners/shadow/model.py::ShadowModel._build_shadow_backbone,
 * _load_shadow_backbone}.
 */
final class ShadowModels implements SideModels {
  private static final String TABLE = "embed_tokens.";
  private static final String TYPES = "layer_types";
  private static final String WINDOWS = "max_window_layers";
  private static final List<String> LAYERS = List.of("num_hidden_layers", "n_layer", "num_layers");
  private static final List<String> HIDDEN = List.of("hidden_size", "n_embd", "d_model");
  private static final List<String> HEADS = List.of("num_attention_heads", "n_head", "num_heads");
  private static final List<String> INTERMEDIATE =
      List.of("intermediate_size", "ffn_dim", "n_inner");

  private final Module root;
  private final Architecture architecture;
  private final Backbone backbone;
  private final Supplier<PretrainedConfig> config;
  private final ModuleList<?> stack;

  private ShadowModels(
      Module root,
      Architecture architecture,
      Backbone backbone,
      Supplier<PretrainedConfig> config,
      ModuleList<?> stack) {
    this.root = root;
    this.architecture = architecture;
    this.backbone = backbone;
    this.config = config;
    this.stack = stack;
  }

  /** Those of a model, if it is a decoder. */
  static Optional<SideModels> of(
      Module root,
      Architecture architecture,
      Backbone backbone,
      Supplier<PretrainedConfig> config) {
    return backbone
        .layerList()
        .filter(stack -> stack.children().values().stream().allMatch(StackLayer.class::isInstance))
        .map(stack -> new ShadowModels(root, architecture, backbone, config, stack));
  }

  @Override
  public int hiddenSize() {
    return config.get().hiddenSize();
  }

  @Override
  public List<String> layers() {
    String prefix = path(root, stack);
    return stack.children().keySet().stream().map(name -> prefix + "." + name).toList();
  }

  private static String path(Module above, Module module) {
    return above.namedModules().entrySet().stream()
        .filter(entry -> entry.getValue() == module)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow();
  }

  @Override
  public Optional<Map<String, Parameter>> classifier() {
    return List.of("score", "classifier").stream()
        .flatMap(name -> ModulePath.find(root, name).stream())
        .filter(LinearLayer.class::isInstance)
        .findFirst()
        .map(Module::namedParameters);
  }

  @Override
  public SideModel mirror(Sizes sizes, boolean shareEmbeddings) {
    ConfigJson json = with(config.get().json(), LAYERS, Optional.of(sizes.layers()), "");
    json = with(json, HIDDEN, sizes.hidden(), "shadowHiddenSize");
    json = with(json, INTERMEDIATE, sizes.intermediate(), "shadowIntermediateSize");
    json = with(json, HEADS, sizes.heads(), "shadowNumAttentionHeads");
    FeatureExtraction model =
        AutoModel.withoutWeights(
            architecture.config(ofLayers(json, sizes.layers())), DType.FLOAT32);
    boolean shared = shareEmbeddings && model.config().hiddenSize() == hiddenSize();
    String list = path(model.module(), model.backbone().layerList().orElseThrow());
    String prefix = list.substring(0, list.lastIndexOf('.') + 1);
    Map<String, Parameter> weights = new LinkedHashMap<>();
    model
        .module()
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              if (!(shared && name.startsWith(prefix + TABLE))) {
                weights.put(name.substring(prefix.length()), parameter);
              }
            });
    weights.values().forEach(Parameter::initialize);
    if (shared) {
      ((Module) model.getInputEmbeddings()).share("weight", backbone.inputEmbeddings().table());
    }
    return side(new ShadowSide(model, prefix, shared, weights, Set.of(), Optional.empty()));
  }

  /** Sets the first of these keys that a config has. */
  private ConfigJson with(
      ConfigJson json, List<String> keys, Optional<Integer> value, String field) {
    if (value.isEmpty()) {
      return json;
    }
    String key =
        keys.stream()
            .filter(json.keys()::contains)
            .findFirst()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "ShadowConfig: "
                            + field
                            + " cannot be set for a "
                            + architecture.modelType()
                            + " model, whose config has none of "
                            + keys
                            + ". Leave it out, or name a model with shadowModel."));
    return json.with(key, value.get());
  }

  /** Settings that depend on the number of layers, for another number. */
  private static ConfigJson ofLayers(ConfigJson json, int layers) {
    ConfigJson result = json;
    if (json.has(TYPES)) {
      List<String> types = new ArrayList<>(json.getStrings(TYPES));
      while (types.size() < layers) {
        types.add(types.isEmpty() ? "full_attention" : types.get(types.size() - 1));
      }
      result = result.with(TYPES, types.subList(0, layers));
    }
    return json.has(WINDOWS) && json.getInt(WINDOWS) > layers
        ? result.with(WINDOWS, layers)
        : result;
  }

  @Override
  public SideModel load(String nameOrPath) {
    Path folder = PretrainedFolder.resolve(nameOrPath, PretrainedFolder.MODEL);
    ProjectedShadow projected = ProjectedShadow.of(folder).orElse(null);
    FeatureExtraction model =
        projected == null ? AutoModel.fromPretrained(folder) : projected.model();
    Map<String, Parameter> weights = model.module().namedParameters();
    Set<String> frozen = new LinkedHashSet<>();
    weights.forEach(
        (name, parameter) -> {
          if (parameter == model.getInputEmbeddings().table()) {
            frozen.add(name);
          }
        });
    Optional<Parameter> projection =
        projected == null ? Optional.empty() : Optional.of(projected.projection());
    return side(new ShadowSide(model, "", false, weights, frozen, projection));
  }

  /** On the base's device and of its type. */
  private SideModel side(ShadowSide side) {
    int size = side.hiddenSize();
    int outside = side.model().backbone().outputSize();
    if (outside != size) {
      side.weights().values().forEach(Parameter::close);
      side.projection().ifPresent(Parameter::close);
      throw new IllegalArgumentException(
          "A shadow model's hidden states leave it with the size that they have inside, but those"
              + " of this "
              + side.model().architecture().modelType()
              + " model have "
              + size
              + " inside and "
              + outside
              + " outside. Use another shadowModel.");
    }
    Parameter first = root.namedParameters().values().iterator().next();
    try (TensorScope scope = TensorScope.open("shadow model")) {
      side.weights()
          .values()
          .forEach(
              parameter -> {
                parameter.to(first.dtype());
                parameter.to(first.tensor().device());
                parameter.requiresGrad(false);
              });
    }
    return side;
  }
}
