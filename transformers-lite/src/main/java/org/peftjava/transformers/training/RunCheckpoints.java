package org.peftjava.transformers.training;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Consumer;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.TrainingHook;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * Saves and restores one run. A checkpoint holds the model or adapter, {@code
 * optimizer.safetensors}, {@code trainer_state.json}, {@link TrainingSnapshot} and, if the model
 * has a {@link TrainingHook}, its state; the schedule needs no file of its own. With {@code
 * saveOnlyModel} it holds the first, {@code trainer_state.json} and a mark.
 */
final class RunCheckpoints {
  private static final String OPTIMIZER = "optimizer.safetensors";
  private static final String HOOK = "training_hook.safetensors";
  private static final String STATE = "trainer_state.json";

  private final TrainingParts parts;
  private final TrainingCheckpoints folders;
  private final Map<String, String> dataOrder;
  private String runId = UUID.randomUUID().toString();
  private Optional<Path> newest = Optional.empty();

  RunCheckpoints(TrainingParts parts, int examples) {
    this.parts = parts;
    folders = new TrainingCheckpoints(parts.args().outputDir());
    dataOrder = new TreeMap<>(parts.dataOrder(examples));
  }

  /** Fails with a clear sentence if checkpoints are wanted and cannot be written. */
  void prepare(int maxSteps) {
    if (parts.args().saveStrategy() != SaveStrategy.NO) {
      folders.prepare(maxSteps);
    }
  }

  /** The newest checkpoint of this run. */
  Optional<Path> newest() {
    return newest;
  }

  Path save(TrainerState state, Optimizer optimizer, RunSchedule schedule, LossMeter meter) {
    TrainingArguments args = parts.args();
    int step = state.globalStep();
    state
        .bestGlobalStep()
        .ifPresent(
            best -> {
              if (best == step || Files.isDirectory(folders.folder(best))) {
                state.bestModelCheckpoint(folders.folder(best).toString());
              }
            });
    Path saved =
        folders.write(
            step,
            folder -> {
              parts.savePretrained(folder);
              TrainerStateJson.write(folder.resolve(STATE), state, args);
              if (args.saveOnlyModel()) {
                TrainingSnapshot.writeModelOnly(folder, runId);
              } else {
                saveRun(folder, optimizer, schedule, meter);
              }
            });
    newest = Optional.of(saved);
    if (args.saveTotalLimit() > 0) {
      folders.rotate(args.saveTotalLimit(), runId, state.bestModelCheckpoint().map(Path::of));
    }
    return saved;
  }

  /** What a resumed run needs beside the model. */
  private void saveRun(Path folder, Optimizer optimizer, RunSchedule schedule, LossMeter meter) {
    try (TensorScope scope = TensorScope.open("save optimizer")) {
      Map<String, Tensor> tensors = optimizer.stateDict();
      Safetensors.write(folder.resolve(OPTIMIZER), tensors, Map.of("format", "pt"));
    }
    parts.model().trainingHook().ifPresent(hook -> save(hook, folder));
    new TrainingSnapshot(
            runId,
            Randomness.save(),
            (float) meter.unlogged(),
            meter.loggedLoss(),
            meter.loggedStep(),
            schedule.stateDict(),
            dataOrder)
        .write(folder);
  }

  private static void save(TrainingHook hook, Path folder) {
    try (TensorScope scope = TensorScope.open("save training hook")) {
      Map<String, Tensor> tensors = hook.stateDict();
      if (!tensors.isEmpty()) {
        Safetensors.write(folder.resolve(HOOK), tensors, Map.of("format", "pt"));
      }
    }
  }

  private static void restore(Path file, Consumer<Map<String, Tensor>> taker) {
    try (TensorScope scope = TensorScope.open("restore");
        WeightSource source = Safetensors.open(file)) {
      Map<String, Tensor> tensors = new TreeMap<>();
      source.names().forEach(name -> tensors.put(name, source.tensor(name)));
      taker.accept(tensors);
    }
  }

  /** Fails with a clear sentence if a run cannot be resumed from a checkpoint. */
  static void check(Path given) {
    Path folder = TrainingCheckpoints.resolve(given);
    if (TrainingSnapshot.isModelOnly(folder)) {
      throw new IllegalArgumentException(
          folder
              + " was written with saveOnlyModel: it holds the model, but no optimizer, schedule"
              + " and random state to resume from. Load the model from it and start a new run, or"
              + " resume from a checkpoint that was written without saveOnlyModel.");
    }
  }

  /** Restores everything of a checkpoint and returns its state. */
  TrainerState restore(Path given, Optimizer optimizer, RunSchedule schedule, LossMeter meter) {
    Path folder = TrainingCheckpoints.resolve(given);
    TrainingSnapshot snapshot = TrainingSnapshot.read(folder);
    if (!snapshot.dataOrder().equals(dataOrder)) {
      throw new IllegalArgumentException(
          folder
              + " was written by a run over other data: "
              + new TreeMap<>(snapshot.dataOrder())
              + " there, "
              + dataOrder
              + " here. Use the same values to resume; to train on with others, load its weights"
              + " and start a new run.");
    }
    TrainerState state = TrainerStateJson.read(folder.resolve(STATE));
    parts.model().loadWeights(folder);
    restore(folder.resolve(OPTIMIZER), optimizer::loadStateDict);
    parts
        .model()
        .trainingHook()
        .filter(hook -> Files.isRegularFile(folder.resolve(HOOK)))
        .ifPresent(hook -> restore(folder.resolve(HOOK), hook::loadStateDict));
    schedule.loadStateDict(snapshot.schedule());
    meter.restore(snapshot.unloggedLoss(), snapshot.loggedLoss(), snapshot.loggedStep());
    Randomness.restore(snapshot.random());
    runId = snapshot.runId();
    newest = Optional.of(folder);
    return state;
  }
}
