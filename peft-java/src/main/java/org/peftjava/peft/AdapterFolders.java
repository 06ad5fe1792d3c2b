package org.peftjava.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.io.LoadRules;
import org.peftjava.peft.io.LoraInitialConversion;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.LoadOptions;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.checkpoint.RepoCard;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Adapters of a model to and from a folder: "default" in the folder itself, others in folders of
 * their names below. Reference: PEFT {@code PeftModel.save_pretrained, load_adapter}.
 */
final class AdapterFolders {
  /** What may differ between two adapters whose values fit: the file's keys tell its layers. */
  private static final Set<String> PLACES =
      Set.of(
          "auto_mapping",
          "base_model_name_or_path",
          "exclude_modules",
          "fan_in_fan_out",
          "inference_mode",
          "layers_pattern",
          "layers_to_transform",
          "modules_to_save",
          "peft_version",
          "revision",
          "target_modules",
          "task_type");

  private AdapterFolders() {}

  /** Loads the first adapter of a fresh model, from a folder or the hub, or closes it. */
  static <M extends PeftModel> M load(
      M model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return orClose(
        model,
        () -> {
          LoadAdapterOptions load = LoadAdapterOptions.of(options);
          loadInto(model, load.folder(nameOrPath), load);
        });
  }

  /** Loads the first adapter of a fresh model, or closes it. */
  static <M extends PeftModel> M load(
      M model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return orClose(
        model,
        () -> {
          LoadAdapterOptions load = LoadAdapterOptions.of(options);
          loadInto(model, load.folder(folder), load);
        });
  }

  private static <M extends PeftModel> M orClose(M model, Runnable loading) {
    try {
      loading.run();
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /**
   * Loads an adapter together with its base model, which the result owns.
   *
   * @param base loads a model by its name
   * @param wrap makes a PeftModel without adapters of it
   */
  static <B extends PretrainedModel, M extends PeftModel> M auto(
      Path folder,
      LoadAdapterOptions options,
      TaskType task,
      BiFunction<String, Consumer<LoadOptions.Builder>, B> base,
      Function<B, M> wrap) {
    B model = base.apply(baseModel(folder, options, task), options.baseOptions());
    M result;
    try {
      resizeForTokenizer(model, folder);
      result = wrap.apply(model);
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
    return orClose(result, () -> loadInto(result, folder, options));
  }

  /** Makes room for the tokens of a tokenizer that was saved with the adapter. */
  private static void resizeForTokenizer(PretrainedModel model, Path folder) {
    if (Files.isRegularFile(folder.resolve("tokenizer_config.json"))) {
      try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
        if (tokenizer.length() > model.config().vocabSize()) {
          model.resizeTokenEmbeddings(tokenizer.length());
        }
      }
    }
  }

  /** The base model of an adapter: the one asked for, else the one that its config names. */
  static String baseModel(Path folder, LoadAdapterOptions options, TaskType task) {
    TunerConfig config = options.config().orElseGet(() -> AdapterConfigJson.read(folder));
    PeftConstruction.checkTask(config, task);
    return options
        .baseModelNameOrPath()
        .or(config::baseModelNameOrPath)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "The adapter in "
                        + folder
                        + " does not name its base model (base_model_name_or_path). Load the base"
                        + " with AutoModel... and use PeftModel.fromPretrained, or give the option"
                        + " baseModelNameOrPath."));
  }

  /** Adds a saved adapter; of one that is there already, the values are read again. */
  static LoadReport loadInto(PeftModel model, Path folder, LoadAdapterOptions options) {
    TunerConfig config =
        options
            .config()
            .orElseGet(() -> XLoraFiles.savedIn(folder, AdapterConfigJson.read(folder)));
    String name = options.adapterName();
    LoadRules rules = options.rules();
    if (options.mixed()) {
      model.tuned().allowMixing();
    }
    AdapterCheckpoint.checkFolder(folder, config);
    TunerConfig present = model.peftConfig().get(name);
    LoadReport report;
    if (present == null) {
      report =
          model.add(
              name,
              PeftConstruction.completed(
                  config.with("inference_mode", !options.isTrainable()),
                  Optional.empty(),
                  model.promptShape()),
              options.weights(config),
              added -> AdapterCheckpoint.load(model.tuned(), name, folder, rules));
    } else {
      checkAlike(name, present, config);
      report = AdapterCheckpoint.load(model.tuned(), name, folder, rules);
    }
    if (!options.isTrainable()) {
      model.eval();
    }
    return report;
  }

  /** Checks that values of an adapter with another config mean the same in the present one. */
  private static void checkAlike(String name, TunerConfig present, TunerConfig config) {
    List<String> others =
        present.fields().values().keySet().stream()
            .filter(field -> !PLACES.contains(field))
            .filter(
                field -> !Objects.equals(present.fields().get(field), config.fields().get(field)))
            .toList();
    if (!present.peftType().equals(config.peftType()) || !others.isEmpty()) {
      throw new IllegalArgumentException(
          "There already is an adapter \""
              + name
              + "\", and the saved one has another config ("
              + (others.isEmpty() ? "peft_type" : String.join(", ", others))
              + "). Delete it first, or use another name.");
    }
  }

  /**
   * Adds a saved adapter.
   *
   * @param names turns a key of the file into the one that it has for this model
   */
  static LoadReport loadInto(
      TunedModel model,
      Path folder,
      TunerConfig config,
      LoadAdapterOptions options,
      UnaryOperator<String> names) {
    String name = options.adapterName();
    LoadRules rules = options.rules().after(names);
    AdapterCheckpoint.checkFolder(folder, config);
    return model.add(
        name,
        config.with("inference_mode", !options.isTrainable()),
        options.weights(config),
        added -> AdapterCheckpoint.load(model, name, folder, rules));
  }

  /** Copies saved weights into the adapters that the model has. */
  static void loadWeights(PeftModel model, Path folder) {
    for (String name : List.copyOf(model.peftConfig().keySet())) {
      loadWeights(model.tuned(), name, subfolder(folder, name));
    }
  }

  /** Copies saved weights into an adapter, and what training had changed in its config. */
  static void loadWeights(TunedModel model, String name, Path folder) {
    Runnable undo =
        model.trainings().isEmpty()
            ? () -> {}
            : model.trainings().adopt(name, AdapterConfigJson.read(folder));
    try {
      AdapterCheckpoint.load(model, name, folder, LoadRules.STRICT);
      XLoraFiles.loadSaved(model, name, folder);
    } catch (RuntimeException e) {
      undo.run();
      throw e;
    }
  }

  /** Writes adapters, and a README.md for the hub with these tags and its own. */
  static void save(PeftModel model, Path folder, SaveAdapterOptions options, List<String> tags) {
    List<String> names = options.selectedAdapters().orElseGet(model.tuned().adapters()::names);
    model.tuned().adapters().checkKnown(names);
    names.forEach(name -> subfolder(folder, name)); // errors before anything is written
    Optional<RepoCard> card =
        model.peftConfig().values().stream()
            .findFirst()
            .map(config -> model.modelCard(config.peftType()).updated(folder, tags));
    for (String name : names) {
      AdapterCheckpoint.save(
          model.tuned(),
          name,
          subfolder(folder, name),
          savedConfig(model, name),
          options.saveEmbeddingLayers(),
          options.pathInitialModelForWeightConversion().map(LoraInitialConversion::new));
      XLoraFiles.save(model.tuned(), name, subfolder(folder, name));
    }
    card.ifPresent(text -> text.save(folder));
  }

  /** Frozen, with the base model's name, and its class if there is no task type. */
  private static TunerConfig savedConfig(PeftModel model, String name) {
    TunerConfig config = XLoraPasses.present(Objects.requireNonNull(model.peftConfig().get(name)));
    Optional<String> base = config.baseModelNameOrPath().or(model::baseModelName);
    TunerConfig saved =
        config.with("inference_mode", true).with("base_model_name_or_path", base.orElse(null));
    if (config.taskType().isPresent()) {
      return saved;
    }
    BaseModel facts = model.tuned().base();
    Map<String, @Nullable Object> mapping = new LinkedHashMap<>();
    mapping.put("base_model_class", facts.className());
    mapping.put("parent_library", facts.library());
    return saved.with("auto_mapping", mapping);
  }

  private static Path subfolder(Path folder, String adapter) {
    Path below = adapter.equals(PeftModel.DEFAULT_ADAPTER) ? folder : folder.resolve(adapter);
    if (!below.startsWith(folder)) {
      throw new IllegalArgumentException(
          "Adapter \"" + adapter + "\" would be outside " + folder + ". Give it another name.");
    }
    return below;
  }
}
