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
 * and {@code model.safetensors.index.json}. Reads {@code pytorch_model.bin} and its shards too.
 */
public final class Checkpoints {
  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";
  static final String TORCH_SINGLE = "pytorch_model.bin";
  static final String TORCH_INDEX = "pytorch_model.bin.index.json";

  /**
   * The files that {@link #open} looks for, in transformers' order; names ending in .json list
   * others.
   */
  public static final List<String> FILES = List.of(SINGLE, INDEX, TORCH_SINGLE, TORCH_INDEX);

  private static final Pattern SHARD = Pattern.compile("model-\\d{5}-of-\\d{5}\\.safetensors");
  private static final Map<String, String> METADATA = Map.of("format", "pt");

  private Checkpoints() {}

  /** Maps the weights of a model folder: of the first of {@link #FILES} that is there. */
  public static WeightSource open(Path folder) {
    FileBatch.finishInterrupted(folder);
    for (String name : FILES) {
      Path file = folder.resolve(name);
      if (Files.exists(file)) {
        return switch (name) {
          case SINGLE -> SafetensorsFile.open(file);
          case INDEX -> ShardedCheckpoint.open(file, ".safetensors", SafetensorsFile::open);
          case TORCH_SINGLE -> TorchFile.open(file);
          default -> ShardedCheckpoint.open(file, ".bin", TorchFile::open);
        };
      }
    }
    throw new UncheckedIOException(
        "There are no weights in "
            + folder
            + ": expected one of "
            + String.join(", ", FILES)
            + "; found "
            + found(folder)
            + ". Give a folder that a model was saved to.",
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
}
