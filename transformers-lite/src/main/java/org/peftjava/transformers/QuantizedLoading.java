package org.peftjava.transformers;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.peftjava.quant.LayerReplacement;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.quant.StoredLayer;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.PretrainedConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The layers of a model that are quantized while it is loaded: made so from dense values, one after
 * the other, or filled with the packed weights that the checkpoint holds.
 */
final class QuantizedLoading {
  private static final Logger LOG = LoggerFactory.getLogger(PretrainedWeights.class);
  private static final String WEIGHT = "." + QuantizedWeight.WEIGHT;

  /** Layers that become quantized when their values come, by the name of their weight. */
  private final Map<String, String> waiting = new LinkedHashMap<>();

  /** Quantized layers that are filled from the checkpoint, by path. */
  private final Map<String, QuantizedWeight> stored = new LinkedHashMap<>();

  private final Set<String> storedNames = new HashSet<>();
  private final Optional<LayerReplacement> replacement;

  private QuantizedLoading(Optional<LayerReplacement> replacement) {
    this.replacement = replacement;
  }

  /**
   * The settings with which a model is built: the file's, and what the options add to them.
   *
   * @throws IllegalArgumentException if the checkpoint is quantized in another way than the options
   *     say
   */
  static PretrainedConfig settings(PretrainedConfig config, LoadOptions options) {
    Optional<BitsAndBytesConfig> given = options.quantizationConfig();
    Optional<BitsAndBytesConfig> file = QuantizationJson.read(config);
    given.or(() -> file).ifPresent(BitsAndBytesConfig::checkSupported);
    if (given.isEmpty()) {
      return config;
    }
    if (file.isPresent()) {
      checkAgree(config, file.get(), given.get());
      return config;
    }
    PretrainedConfig changed =
        AutoConfig.of(config.json().with(QuantizationJson.KEY, given.get().toDict()));
    return config.nameOrPath().map(changed::withNameOrPath).orElse(changed);
  }

  private static void checkAgree(
      PretrainedConfig config, BitsAndBytesConfig file, BitsAndBytesConfig given) {
    boolean sameFormat =
        file.loadIn4bit() == given.loadIn4bit()
            && file.loadIn8bit() == given.loadIn8bit()
            && (file.loadIn8bit()
                || (file.bnb4bitQuantType() == given.bnb4bitQuantType()
                    && file.bnb4bitUseDoubleQuant() == given.bnb4bitUseDoubleQuant()
                    && file.bnb4bitQuantStorage() == given.bnb4bitQuantStorage()));
    if (!sameFormat) {
      throw new IllegalArgumentException(
          "The checkpoint is quantized already, as "
              + config.json().source()
              + " says: "
              + file.toDict()
              + ". The quantizationConfig in the options asks for something else: "
              + given.toDict()
              + ". Leave it away to load the checkpoint as it is, or load the original model.");
    }
    if (!file.equals(given)) {
      LOG.warn(
          "You passed a quantizationConfig, but {} has one already, which is used: {}",
          config.json().source(),
          file.toDict());
    }
  }

  /**
   * Prepares a model without weights.
   *
   * @param inFile whether the checkpoint's own config says that it is quantized
   */
  static QuantizedLoading prepare(
      CheckpointModel model, WeightSource source, boolean inFile, Object folder) {
    Optional<BitsAndBytesConfig> config = QuantizationJson.read(model.config());
    QuantizedLoading result =
        new QuantizedLoading(
            config.map(
                c ->
                    inFile
                        ? ModelQuantization.chooseStored(model, c)
                        : ModelQuantization.choose(model, c)));
    if (config.isPresent() && inFile) {
      result.placeStored(model, source, config.get());
      if (result.stored.isEmpty() && !result.layers().isEmpty()) {
        throw new IllegalArgumentException(
            "config.json of "
                + folder
                + " has a quantization_config, but the weights there are not quantized. Remove it"
                + " from config.json, and pass a quantizationConfig to quantize while loading.");
      }
    } else {
      result.layers().keySet().forEach(path -> result.waiting.put(path + WEIGHT, path));
    }
    return result;
  }

  private Map<String, Module> layers() {
    return replacement.map(LayerReplacement::layers).orElse(Map.of());
  }

  private void placeStored(CheckpointModel model, WeightSource source, BitsAndBytesConfig config) {
    WeightNames names = WeightNames.match(model, source.names());
    layers()
        .forEach(
            (path, module) -> {
              String key = names.keys().get(path + WEIGHT);
              if (key == null) {
                return;
              }
              DType dtype = LayerReplacement.weight(module).dtype();
              config
                  .stored(new FileLayer(source, key), dtype)
                  .ifPresent(
                      weight -> {
                        checkShape(path, module, weight);
                        replacement.orElseThrow().replace(path, weight);
                        stored.put(path, weight);
                        weight.state().keySet().forEach(n -> storedNames.add(path + "." + n));
                      });
            });
  }

  private static void checkShape(String path, Module dense, QuantizedWeight weight) {
    LinearLayer layer = (LinearLayer) dense;
    Shape expected = Shape.of(layer.outFeatures(), layer.inFeatures());
    if (!weight.shape().equals(expected)) {
      weight.close();
      throw new IllegalArgumentException(
          path
              + WEIGHT
              + " is "
              + weight.shape()
              + " in the file, expected "
              + expected
              + ". Do config.json and the weights belong together?");
    }
  }

  /** Whether this weight of the model becomes quantized when its values come. */
  boolean quantizes(String name) {
    return waiting.containsKey(name);
  }

  /** Quantizes the values of such a weight, on the device that it goes to. */
  void quantize(String name, Tensor values, Device device) {
    String path = Objects.requireNonNull(waiting.get(name), name);
    replacement.orElseThrow().quantize(path, values.to(device));
  }

  /** Whether this name is a part of a weight that is quantized in the file. */
  boolean isStored(String name) {
    return storedNames.contains(name);
  }

  /** Throws if a part of a stored weight has another type in the file. */
  void checkTypes(Map<String, String> keys, WeightSource source, Map<String, Parameter> state) {
    for (String name : storedNames) {
      String key = keys.get(name);
      DType expected = Objects.requireNonNull(state.get(name), name).dtype();
      if (key != null && source.dtype(key) != expected) {
        throw new IllegalArgumentException(
            key
                + " has type "
                + source.dtype(key)
                + " in the file, expected "
                + expected
                + ". The quantized weight is damaged: save the model again.");
      }
    }
  }

  /** Quantizes what did not come from the file, and checks what did. */
  void finish() {
    stored.forEach((path, weight) -> weight.checkLoaded(path));
    if (stored.isEmpty()) {
      replacement.ifPresent(LayerReplacement::quantizeRest);
    }
  }

  /** What a checkpoint holds for one layer; {@code key} is the full name of its weight. */
  private record FileLayer(WeightSource source, String key) implements StoredLayer {
    @Override
    public String name(String part) {
      return key.substring(0, key.length() - QuantizedWeight.WEIGHT.length()) + part;
    }

    @Override
    public boolean has(String part) {
      return source.names().contains(name(part));
    }

    @Override
    public byte[] bytes(String part) {
      String name = name(part);
      if (source.dtype(name) != DType.UINT8 || source.shape(name).rank() != 1) {
        throw new IllegalArgumentException(
            name
                + " is "
                + source.dtype(name)
                + " "
                + source.shape(name)
                + " in the file, expected the uint8 bytes of a text.");
      }
      try (TensorScope scope = TensorScope.open("read bytes")) {
        return source.tensor(name).toBytes();
      }
    }

    @Override
    public DType dtype() {
      return source.dtype(key);
    }

    @Override
    public Shape shape() {
      return source.shape(key);
    }
  }
}
