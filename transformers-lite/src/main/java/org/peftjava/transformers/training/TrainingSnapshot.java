package org.peftjava.transformers.training;

import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * What a resumed run needs beside the weights, the optimizer and {@code trainer_state.json} to give
 * the same losses to the bit: random state, the loss not yet logged, and what fixes the order of
 * the data. The file doubles as the mark of a checkpoint that this trainer wrote.
 *
 * @param runId names the run; a resumed run keeps it
 * @param random the random state after the step
 * @param unloggedLoss sum of the losses since the last log line
 * @param loggedLoss sum of all losses before it
 * @param loggedStep the step of the last log line
 * @param schedule what a schedule that goes by evaluations remembers, by name
 * @param dataOrder what the order of the data depends on, by name
 */
record TrainingSnapshot(
    String runId,
    Randomness.State random,
    float unloggedLoss,
    double loggedLoss,
    int loggedStep,
    Map<String, Double> schedule,
    Map<String, String> dataOrder) {
  static final String FILE = "training_state.safetensors";

  private static final String GENERATOR = "cpu_rng_state";
  private static final String CARD = "cuda_rng_state.";
  private static final String LOSS = "unlogged_loss";
  private static final String DATA_ORDER = "data_order.";
  private static final String SCHEDULE = "lr_scheduler.";
  private static final String RUN = "run_id";
  private static final String MODEL_ONLY = "save_only_model";

  static boolean isIn(Path folder) {
    return Files.isRegularFile(folder.resolve(FILE), LinkOption.NOFOLLOW_LINKS);
  }

  static boolean isOfRun(Path folder, String runId) {
    if (!isIn(folder)) {
      return false;
    }
    return runId.equals(metadata(folder).get(RUN)); // a damaged one is not ours to delete
  }

  /** Whether a checkpoint has nothing that a run could be resumed from. */
  static boolean isModelOnly(Path folder) {
    return metadata(folder).containsKey(MODEL_ONLY);
  }

  private static Map<String, String> metadata(Path folder) {
    try (WeightSource source = Safetensors.open(folder.resolve(FILE))) {
      return source.metadata();
    } catch (InvalidFileException | UncheckedIOException e) {
      return Map.of();
    }
  }

  /** Marks a checkpoint that holds the model only. */
  static void writeModelOnly(Path folder, String runId) {
    Safetensors.write(folder.resolve(FILE), Map.of(), Map.of(RUN, runId, MODEL_ONLY, "true"));
  }

  void write(Path folder) {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(RUN, runId);
    metadata.put("mask_seed", Long.toString(random.seed()));
    metadata.put("mask_counter", Long.toString(random.counter()));
    metadata.put("logged_loss", Double.toString(loggedLoss));
    metadata.put("logged_step", Integer.toString(loggedStep));
    schedule.forEach((name, value) -> metadata.put(SCHEDULE + name, Double.toString(value)));
    dataOrder.forEach((name, value) -> metadata.put(DATA_ORDER + name, value));
    try (TensorScope scope = TensorScope.open("training state")) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put(GENERATOR, Creation.ofBytes(random.generator(), random.generator().length));
      for (int card = 0; card < random.cards().size(); card++) {
        byte[] state = random.cards().get(card);
        tensors.put(CARD + card, Creation.ofBytes(state, state.length));
      }
      tensors.put(LOSS, Creation.ofFloats(new float[] {unloggedLoss}, 1));
      Safetensors.write(folder.resolve(FILE), tensors, metadata);
    }
  }

  static TrainingSnapshot read(Path folder) {
    Path file = folder.resolve(FILE);
    try (TensorScope scope = TensorScope.open("training state");
        WeightSource source = Safetensors.open(file)) {
      Map<String, String> metadata = source.metadata();
      Map<String, Double> schedule = new LinkedHashMap<>();
      named(metadata, SCHEDULE)
          .forEach((name, value) -> schedule.put(name, Double.parseDouble(value)));
      return new TrainingSnapshot(
          text(metadata, RUN),
          new Randomness.State(
              Long.parseLong(text(metadata, "mask_seed")),
              Long.parseLong(text(metadata, "mask_counter")),
              source.tensor(GENERATOR).toBytes(),
              cards(source)),
          source.tensor(LOSS).toFloats()[0],
          Double.parseDouble(text(metadata, "logged_loss")),
          Integer.parseInt(text(metadata, "logged_step")),
          schedule,
          named(metadata, DATA_ORDER));
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(
          file + " is damaged: " + e.getMessage() + " Resume from an earlier checkpoint.", e);
    }
  }

  /** The states of as many cards as there were. */
  private static List<byte[]> cards(WeightSource source) {
    List<byte[]> result = new ArrayList<>();
    while (source.names().contains(CARD + result.size())) {
      result.add(source.tensor(CARD + result.size()).toBytes());
    }
    return result;
  }

  /** What begins so, without it. */
  private static Map<String, String> named(Map<String, String> metadata, String prefix) {
    Map<String, String> result = new LinkedHashMap<>();
    metadata.forEach(
        (name, value) -> {
          if (name.startsWith(prefix)) {
            result.put(name.substring(prefix.length()), value);
          }
        });
    return result;
  }

  private static String text(Map<String, String> metadata, String name) {
    String value = metadata.get(name);
    if (value == null) {
      throw new IllegalArgumentException("it has no entry " + name + ".");
    }
    return value;
  }
}
