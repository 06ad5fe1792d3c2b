package org.peftjava.peft.io;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.peftjava.peft.tuner.AdapterState;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.TorchFile;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The weights of an adapter folder: {@code adapter_model.safetensors}; {@code adapter_model.bin} is
 * read too.
 *
 * <p>Python loads with {@code strict=False}: what is missing keeps its random values and what does
 * not fit by name is ignored, so that a file without the key prefix "loads". Here both are errors
 * unless the caller asks for leniency.
 */
public final class AdapterCheckpoint {
  /** The file's name in an adapter folder. */
  public static final String FILE_NAME = "adapter_model.safetensors";

  /** What the keys of layers begin with. */
  public static final String PREFIX = AdapterKeys.PREFIX;

  private static final Logger LOG = LoggerFactory.getLogger(AdapterCheckpoint.class);

  /** Fields that say how many rows a weight has. */
  private static final List<String> SIZES =
      List.of(
          "r",
          "init_r",
          "rank_pattern",
          "num_virtual_tokens",
          "num_vectors",
          "n_frequency",
          "u",
          "theta_d_length",
          "num_B");

  private static final long SMALL = 4096; // no harm, whatever the file holds
  private static final String PICKLE = "adapter_model.bin"; // what PEFT wrote before 0.5
  static final Map<String, String> METADATA = Map.of("format", "pt");

  private AdapterCheckpoint() {}

  /** Maps the weights of an adapter folder: {@link #FILE_NAME}, else {@code adapter_model.bin}. */
  public static WeightSource open(Path folder) {
    FileBatch.finishInterrupted(folder);
    Path file = folder.resolve(FILE_NAME);
    if (Files.isRegularFile(file)) {
      return Safetensors.open(file);
    }
    if (Files.isRegularFile(folder.resolve(PICKLE))) {
      return TorchFile.open(folder.resolve(PICKLE));
    }
    throw new IllegalArgumentException(
        "There is no "
            + FILE_NAME
            + " in "
            + folder.toAbsolutePath()
            + ", and no "
            + PICKLE
            + ". Expected a folder that an adapter was saved to.");
  }

  /**
   * Throws unless a folder holds weights, and as many as the sizes of the config need at least. So
   * a config alone cannot make anybody allocate all memory.
   */
  public static void checkFolder(Path folder, TunerConfig config) {
    try (WeightSource source = open(folder)) {
      long numbers = source.names().stream().mapToLong(name -> source.shape(name).numel()).sum();
      for (String field : SIZES) {
        Object value = Objects.requireNonNullElse(config.fields().values().get(field), 0);
        Collection<?> sizes = value instanceof Map<?, ?> map ? map.values() : List.of(value);
        for (Object size : sizes) {
          if (size instanceof Number number && number.longValue() > Math.max(numbers, SMALL)) {
            throw new InvalidFileException(
                folder.resolve(AdapterConfigJson.FILE_NAME),
                field + " says " + size + ", but the weights are only " + numbers + " numbers.");
          }
        }
      }
    }
  }

  /**
   * Copies the weights of a folder into an adapter of the model. Nothing changes if it throws.
   *
   * @return what did not fit
   */
  public static LoadReport load(TunedModel model, String adapter, Path folder, LoadRules rules) {
    try (WeightSource source = open(folder)) {
      Path file = Path.of(source.toString());
      Map<String, AdapterTensor> required = AdapterKeys.required(model, adapter);
      Map<String, AdapterTensor> places = AdapterStateDict.places(model, adapter, required);
      if (required.keySet().stream().anyMatch(key -> key.startsWith(AdapterKeys.PREFIX))) {
        checkPrefix(source, file);
      }
      Map<String, String> keys = AdapterKeys.byPlace(source.names(), rules.names(), places);
      LoadReport report = AdapterStateDict.compare(keys, source::shape, required, places);
      check(report, file, rules);
      AdapterState.network(model, adapter)
          .ifPresent(network -> PromptNetworkFile.load(network, folder));
      AdapterStateDict.fill(keys, places, report, source::tensor);
      return report;
    }
  }

  private static void checkPrefix(WeightSource source, Path file) {
    if (!source.names().isEmpty()
        && source.names().stream().noneMatch(name -> name.startsWith(AdapterKeys.PREFIX))) {
      throw new InvalidFileException(
          file,
          "no key begins with \""
              + AdapterKeys.PREFIX
              + "\"; the first is \""
              + source.names().iterator().next()
              + "\". Python would load it silently and keep random values. Save the adapter with"
              + " PeftModel.save_pretrained, or add the prefix to the keys.");
    }
  }

  private static void check(LoadReport report, Path file, LoadRules rules) {
    if (!report.mismatched().isEmpty() && !rules.ignoreMismatchedSizes()) {
      throw new InvalidFileException(
          file,
          "does not fit this model: "
              + AdapterStateDict.shapes(report)
              + ". Do adapter_config.json, the weights and the base model belong together?"
              + otherTokens(report));
    }
    if (report.isClean()) {
      return;
    }
    List<String> problems = new ArrayList<>();
    add(problems, "missing", report.missing());
    add(problems, "unexpected", report.unexpected());
    boolean named = !problems.isEmpty();
    if (!report.mismatched().isEmpty()) {
      problems.add(AdapterStateDict.shapes(report) + " (left out)");
    }
    String problem = String.join("; ", problems);
    if (named && !rules.lenient()) {
      throw new InvalidFileException(
          file,
          "does not fit this model: "
              + problem
              + ". To load what fits anyway, use the option lenient(true).");
    }
    LOG.warn("{} does not fit this model completely: {}.", file, problem);
  }

  /** Embeddings are in an adapter's file where its model was given more tokens. */
  private static String otherTokens(LoadReport report) {
    return report.mismatched().entrySet().stream()
        .filter(entry -> AdapterKeys.isEmbedding(entry.getKey()))
        .findFirst()
        .map(
            entry ->
                " The adapter's model had another number of tokens: call resizeTokenEmbeddings("
                    + entry.getValue().inFile().get(0)
                    + ") on the base model first.")
        .orElse("");
  }

  private static void add(List<String> problems, String what, List<String> keys) {
    if (!keys.isEmpty()) {
      problems.add(what + " " + AdapterStateDict.some(", ", keys));
    }
  }

  /**
   * Writes weights and config of an adapter into a folder: the weights first, the config that makes
   * them valid last, each whole or not at all.
   *
   * @param conversion what to make of both before, if anything
   */
  public static void save(
      TunedModel model,
      String adapter,
      Path folder,
      TunerConfig config,
      SaveEmbeddings embeddings,
      Optional<LoraInitialConversion> conversion) {
    TunerConfig written = conversion.map(made -> made.config(config)).orElse(config);
    try (TensorScope scope = TensorScope.open("save adapter");
        FileBatch files = FileBatch.open(folder)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      AdapterKeys.saved(model, adapter, config, embeddings)
          .forEach((name, entry) -> tensors.put(name, entry.read().get()));
      AdapterState.network(model, adapter)
          .ifPresent(network -> PromptNetworkFile.write(network, files));
      write(files, written, conversion.map(made -> made.tensors(tensors)).orElse(tensors));
    }
  }

  /** The same for weights that are no adapter of a model. */
  public static void save(Path folder, TunerConfig config, Map<String, Tensor> tensors) {
    try (FileBatch files = FileBatch.open(folder)) {
      write(files, config, tensors);
    }
  }

  private static void write(FileBatch files, TunerConfig config, Map<String, Tensor> tensors) {
    Safetensors.write(files, FILE_NAME, tensors, METADATA);
    files.write(AdapterConfigJson.FILE_NAME, AdapterConfigJson.bytes(config));
    files.commit();
  }
}
