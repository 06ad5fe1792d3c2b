package org.peftjava.transformers;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.hub.HubOptions;

/**
 * How {@code fromPretrained} of an {@code AutoModel} loads a model.
 *
 * @param dtype the weights' type; empty for the one that the config names, else the file's
 * @param deviceMap where the weights go; empty for {@link Device#defaultDevice}, or if that is the
 *     CPU, for a quantized model a CUDA card if there is one
 * @param ignoreMismatchedSizes whether a weight of another shape in the file is left, and the
 *     model's gets fresh values, instead of an error
 * @param configChanges what is changed in the settings of {@code config.json} before the model is
 *     built
 * @param quantizationConfig how linear layers are quantized while they are loaded; empty for what
 *     {@code config.json} says
 * @param hub how a name that is no folder is looked up
 * @param subfolder where the files are below the folder or in the repository; empty for there
 * @param adapterName the name in the model of the adapter that a folder holds; "default"
 * @param maxMemory bytes that each device may hold when the model is spread over several
 * @param outputLoadingInfo is told what the file and the model do not have in common
 */
public record LoadOptions(
    Optional<DType> dtype,
    Optional<DeviceMap> deviceMap,
    boolean ignoreMismatchedSizes,
    UnaryOperator<ConfigJson> configChanges,
    Optional<BitsAndBytesConfig> quantizationConfig,
    Consumer<HubOptions.Builder> hub,
    Optional<String> subfolder,
    String adapterName,
    Map<Device, Long> maxMemory,
    Consumer<LoadingInfo> outputLoadingInfo) {
  /** The defaults: the file's type, on the default device. */
  public static Builder builder() {
    return new Builder();
  }

  static LoadOptions of(Consumer<Builder> options) {
    Builder builder = builder();
    options.accept(builder);
    return builder.build();
  }

  /** Builds {@link LoadOptions}. */
  public static final class Builder {
    private Optional<DType> dtype = Optional.empty();
    private Optional<DeviceMap> deviceMap = Optional.empty();
    private boolean ignoreMismatchedSizes;
    private UnaryOperator<ConfigJson> configChanges = json -> json;
    private Optional<BitsAndBytesConfig> quantizationConfig = Optional.empty();
    private Consumer<HubOptions.Builder> hub = options -> {};
    private Optional<String> subfolder = Optional.empty();
    private Map<Device, Long> maxMemory = Map.of();
    private Consumer<LoadingInfo> outputLoadingInfo = info -> {};
    private String adapterName = PeftAdapterMixin.DEFAULT_ADAPTER;

    private Builder() {}

    /** Converts floating-point weights to this type, one tensor at a time. */
    public Builder dtype(DType type) {
      if (!type.isFloatingPoint()) {
        throw new IllegalArgumentException(
            "dtype is " + type + ". Expected a floating-point type such as float32 or bfloat16.");
      }
      dtype = Optional.of(type);
      return this;
    }

    /** A type by its Python name, or "auto" for the file's. */
    public Builder dtype(String name) {
      if (name.equals("auto")) {
        dtype = Optional.empty();
        return this;
      }
      return dtype(DType.parse(name));
    }

    /** Where the weights go. */
    public Builder device(Device target) {
      deviceMap = Optional.of(DeviceMap.of(target));
      return this;
    }

    /** Where the weights go, by name: "cpu", "cuda", "cuda:1". */
    public Builder device(String name) {
      return device(Device.parse(name));
    }

    /**
     * Where the weights go: "auto", "balanced", "balanced_low_0", "sequential", or a device as in
     * {@link #device(String)}.
     */
    public Builder deviceMap(String name) {
      deviceMap = Optional.of(DeviceMap.parse(name));
      return this;
    }

    /** Where each part goes: the name of a module, or "" for all, to a device. */
    public Builder deviceMap(Map<String, String> devices) {
      deviceMap = Optional.of(DeviceMap.parse(devices));
      return this;
    }

    /**
     * Quantizes linear layers while they are loaded, one tensor at a time. For a checkpoint that is
     * quantized already it may only say the same as its {@code config.json}.
     */
    public Builder quantizationConfig(BitsAndBytesConfig config) {
      quantizationConfig = Optional.of(config);
      return this;
    }

    /**
     * How much of the weights each device may hold when the model is spread over several, in the
     * order in which they are filled: a card's number or "cpu" to a size such as "10GiB".
     */
    public Builder maxMemory(Map<String, String> sizes) {
      Map<Device, Long> parsed = new LinkedHashMap<>();
      sizes.forEach(
          (name, size) ->
              parsed.put(DeviceMap.device(name, "maxMemory"), ByteSize.parse(size, "maxMemory")));
      maxMemory = Collections.unmodifiableMap(parsed);
      return this;
    }

    /** Where the files are below the folder or in the repository, such as "checkpoints/last". */
    public Builder subfolder(String value) {
      subfolder = Optional.of(value);
      return this;
    }

    /** The branch, tag or commit of a repository on the hub. */
    public Builder revision(String value) {
      return hub(options -> options.revision(value));
    }

    /** How a name that is no folder is looked up; adds to what was said before. */
    public Builder hub(Consumer<HubOptions.Builder> options) {
      hub = hub.andThen(options);
      return this;
    }

    /** The name in the model of the adapter that the folder holds. */
    public Builder adapterName(String name) {
      adapterName = name;
      return this;
    }

    /** Gives weights that have another shape in the file fresh values, instead of an error. */
    public Builder ignoreMismatchedSizes(boolean ignored) {
      ignoreMismatchedSizes = ignored;
      return this;
    }

    /** Tells what the file and the model do not have in common, also if there is nothing. */
    public Builder outputLoadingInfo(Consumer<LoadingInfo> receiver) {
      outputLoadingInfo = receiver;
      return this;
    }

    /** Number of labels of a classifier; new ones are named LABEL_0 and so on. */
    public Builder numLabels(int count) {
      return changed(json -> Labels.withCount(json, count));
    }

    /** Names of a classifier's labels, by number. */
    public Builder id2label(Map<Integer, String> names) {
      return changed(json -> Labels.withNames(json, names));
    }

    /** "regression", "single_label_classification" or "multi_label_classification". */
    public Builder problemType(String type) {
      return changed(json -> json.with("problem_type", type));
    }

    /** Whether tokens of an encoder such as BERT see those before them only, to tell the next. */
    public Builder isDecoder(boolean decoder) {
      return changed(json -> json.with("is_decoder", decoder));
    }

    private Builder changed(UnaryOperator<ConfigJson> change) {
      UnaryOperator<ConfigJson> before = configChanges;
      configChanges = json -> change.apply(before.apply(json));
      return this;
    }

    /** The options. */
    public LoadOptions build() {
      return new LoadOptions(
          dtype,
          deviceMap,
          ignoreMismatchedSizes,
          configChanges,
          quantizationConfig,
          hub,
          subfolder,
          adapterName,
          maxMemory,
          outputLoadingInfo);
    }
  }
}
