package org.peftjava.transformers.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.peftjava.torch.Tensor;

/**
 * Reads and writes the weights of a model folder: one {@code model.safetensors}, or several files
 * and {@code model.safetensors.index.json}.
 */
public final class Checkpoints {
  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";
  private static final Pattern SHARD = Pattern.compile("model-\\d{5}-of-\\d{5}\\.safetensors");
  private static final Map<String, String> METADATA = Map.of("format", "pt");

  private Checkpoints() {}

  /** Maps the weights of a model folder. */
  public static WeightSource open(Path folder) {
    FileBatch.finishInterrupted(folder);
    if (Files.exists(folder.resolve(SINGLE))) {
      return SafetensorsFile.open(folder.resolve(SINGLE));
    }
    if (Files.exists(folder.resolve(INDEX))) {
      return ShardedCheckpoint.open(folder.resolve(INDEX));
    }
    throw new UncheckedIOException(
        "There is neither "
            + SINGLE
            + " nor "
            + INDEX
            + " in "
            + folder
            + "; found "
            + found(folder)
            + "."
            + pickleAdvice(folder),
        new NoSuchFileException(folder.resolve(SINGLE).toString()));
  }

  /** Replaces the weights of a model folder, in files of at most {@code maxShardBytes}. */
  public static void write(Path folder, Map<String, Tensor> tensors, long maxShardBytes) {
    try (FileBatch files = FileBatch.open(folder)) {
      write(files, tensors, maxShardBytes);
      files.commit();
    }
  }

  /**
   * Adds the weights to a batch, and removes files of an older checkpoint that it does not replace.
   */
  public static void write(FileBatch files, Map<String, Tensor> tensors, long maxShardBytes) {
    if (maxShardBytes <= 0) {
      throw new IllegalArgumentException(
          "maxShardBytes is " + maxShardBytes + "; expected a positive number of bytes.");
    }
    ShardPlan plan = ShardPlan.of(tensors, maxShardBytes);
    for (int i = 0; i < plan.shards().size(); i++) {
      Safetensors.write(files, plan.fileName(i), plan.shards().get(i), METADATA);
    }
    if (plan.shards().size() > 1) {
      files.write(INDEX, plan.indexJson().getBytes(StandardCharsets.UTF_8));
    }
    // Deletion skips what the batch writes.
    names(files.folder()).stream()
        .filter(n -> n.equals(SINGLE) || n.equals(INDEX) || SHARD.matcher(n).matches())
        .forEach(files::delete);
  }

  private static List<String> names(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      return List.of();
    }
  }

  private static String found(Path folder) {
    return Files.isDirectory(folder) ? NameList.of(names(folder)) : "no such folder";
  }

  private static String pickleAdvice(Path folder) {
    return names(folder).stream().anyMatch(name -> name.endsWith(".bin"))
        ? " Convert the .bin files with Python: model.save_pretrained(folder)."
        : " Give a folder that a model was saved to.";
  }
}
