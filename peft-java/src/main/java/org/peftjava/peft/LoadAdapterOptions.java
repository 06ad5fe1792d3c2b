package org.peftjava.peft;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.peftjava.peft.io.KeyMapping;
import org.peftjava.peft.io.LoadRules;
import org.peftjava.peft.tuner.AddOptions;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.transformers.LoadOptions;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.hub.HubOptions;

/**
 * How a saved adapter is loaded.
 *
 * @param adapterName its name in the model; "default"
 * @param isTrainable whether it is to be trained further; false, which also switches the model to
 *     evaluation mode
 * @param config the config to use in place of the folder's
 * @param autocastAdapterDtype whether adapters of 16-bit layers are float32; true
 * @param lowCpuMemUsage whether the adapter gets no values before the file's; false
 * @param mixed whether the model may have adapters of other types too, as {@link PeftMixedModel};
 *     false
 * @param keyMapping regular expressions and replacements for keys of the file, as Python's {@code
 *     re.subn} takes them; the first that is found in a key, without {@code base_model.model.},
 *     changes it
 * @param ignoreMismatchedSizes whether values of other sizes are left out with a warning; false
 * @param lenient whether keys that are missing or have no place are warned about, not errors
 * @param baseModelNameOrPath the base model to load in place of the one that the config names; for
 *     {@link AutoPeftModelForCausalLM}
 * @param baseOptions how to load that model
 * @param hub how an adapter's name that is no folder is looked up
 * @param subfolder where the adapter is below the folder or in the repository; empty for there
 */
public record LoadAdapterOptions(
    String adapterName,
    boolean isTrainable,
    Optional<TunerConfig> config,
    boolean autocastAdapterDtype,
    boolean lowCpuMemUsage,
    boolean mixed,
    Map<String, String> keyMapping,
    boolean ignoreMismatchedSizes,
    boolean lenient,
    Optional<String> baseModelNameOrPath,
    Consumer<LoadOptions.Builder> baseOptions,
    Consumer<HubOptions.Builder> hub,
    Optional<String> subfolder) {
  /** Fields for LoRA with weights beside its matrices, of which some may be in no file. */
  private static final List<String> VARIANTS =
      List.of(
          "use_bdlora",
          "use_qalora",
          "arrow_config",
          "kasa_config",
          "velora_config",
          "monteclora_config");

  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  static LoadAdapterOptions of(Consumer<Builder> options) {
    Builder builder = builder();
    options.accept(builder);
    return builder.build();
  }

  AddOptions weights() {
    return new AddOptions(autocastAdapterDtype, lowCpuMemUsage);
  }

  /**
   * The same for an adapter with this config: a LoRA adapter draws no first values where an error
   * is sure to come before any of them could stay.
   */
  AddOptions weights(TunerConfig added) {
    boolean overwritten =
        added.peftType().equals("LORA")
            && VARIANTS.stream().noneMatch(added.fields()::isSet)
            && !lenient
            && !ignoreMismatchedSizes;
    return new AddOptions(autocastAdapterDtype, lowCpuMemUsage || overwritten);
  }

  LoadRules rules() {
    UnaryOperator<String> names = keyMapping.isEmpty() ? key -> key : new KeyMapping(keyMapping);
    return new LoadRules(lenient, ignoreMismatchedSizes, names);
  }

  /** The folder of an adapter, after a download if the name is none. */
  Path folder(String nameOrPath) {
    return PretrainedFolder.resolve(nameOrPath, subfolder, PretrainedFolder.ADAPTER, hub);
  }

  /** The same with the tokenizer that the adapter was saved with, if there is one. */
  Path folderWithTokenizer(String nameOrPath) {
    return PretrainedFolder.resolve(
        nameOrPath, subfolder, PretrainedFolder.ADAPTER.and(PretrainedFolder.TOKENIZER), hub);
  }

  /** The folder of an adapter that is here. */
  Path folder(Path folder) {
    return PretrainedFolder.below(folder, subfolder);
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private String adapterName = PeftModel.DEFAULT_ADAPTER;
    private boolean isTrainable;
    private Optional<TunerConfig> config = Optional.empty();
    private boolean autocastAdapterDtype = true;
    private boolean lowCpuMemUsage;
    private boolean mixed;
    private Map<String, String> keyMapping = Map.of();
    private boolean ignoreMismatchedSizes;
    private boolean lenient;
    private Optional<String> baseModelNameOrPath = Optional.empty();
    private Consumer<LoadOptions.Builder> baseOptions = options -> {};
    private Consumer<HubOptions.Builder> hub = options -> {};
    private Optional<String> subfolder = Optional.empty();

    private Builder() {}

    /** The adapter's name in the model. */
    public Builder adapterName(String value) {
      adapterName = value;
      return this;
    }

    /** Whether the adapter is to be trained further. */
    public Builder isTrainable(boolean value) {
      isTrainable = value;
      return this;
    }

    /** The config to use in place of the folder's. */
    public Builder config(TunerConfig value) {
      config = Optional.of(value);
      return this;
    }

    /** Whether adapters of 16-bit layers are float32. */
    public Builder autocastAdapterDtype(boolean value) {
      autocastAdapterDtype = value;
      return this;
    }

    /** Whether the adapter gets no values before the file's. */
    public Builder lowCpuMemUsage(boolean value) {
      lowCpuMemUsage = value;
      return this;
    }

    /** Whether the model may have adapters of other types too. */
    public Builder mixed(boolean value) {
      mixed = value;
      return this;
    }

    /** Expressions and replacements for keys of the file, tried in the map's order. */
    public Builder keyMapping(Map<String, String> value) {
      keyMapping = Collections.unmodifiableMap(new LinkedHashMap<>(value));
      return this;
    }

    /** Whether values of other sizes are left out with a warning. */
    public Builder ignoreMismatchedSizes(boolean value) {
      ignoreMismatchedSizes = value;
      return this;
    }

    /** Whether keys that are missing or have no place are warned about, not errors. */
    public Builder lenient(boolean value) {
      lenient = value;
      return this;
    }

    /** The base model to load in place of the one that the config names. */
    public Builder baseModelNameOrPath(String value) {
      baseModelNameOrPath = Optional.of(value);
      return this;
    }

    /** How to load the base model: its type, its device. */
    public Builder baseOptions(Consumer<LoadOptions.Builder> value) {
      baseOptions = value;
      return this;
    }

    /** Where the adapter is below the folder or in the repository. */
    public Builder subfolder(String value) {
      subfolder = Optional.of(value);
      return this;
    }

    /** The branch, tag or commit of an adapter's repository on the hub. */
    public Builder revision(String value) {
      return hub(options -> options.revision(value));
    }

    /** How an adapter's name that is no folder is looked up; adds to what was said before. */
    public Builder hub(Consumer<HubOptions.Builder> value) {
      hub = hub.andThen(value);
      return this;
    }

    /** The options. */
    public LoadAdapterOptions build() {
      return new LoadAdapterOptions(
          adapterName,
          isTrainable,
          config,
          autocastAdapterDtype,
          lowCpuMemUsage,
          mixed,
          keyMapping,
          ignoreMismatchedSizes,
          lenient,
          baseModelNameOrPath,
          baseOptions,
          hub,
          subfolder);
    }
  }
}
