package org.peftjava.transformers.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * A checkpoint of several files of one format and an index that says which tensor is in which file.
 */
final class ShardedCheckpoint implements WeightSource {
  private final Map<String, WeightSource> shards;
  private final Map<String, WeightSource> shardOfName;
  private final Path index;

  private ShardedCheckpoint(
      Path index, Map<String, WeightSource> shards, Map<String, WeightSource> shardOfName) {
    this.index = index;
    this.shards = shards;
    this.shardOfName = Collections.unmodifiableMap(shardOfName);
  }

  /**
   * Opens the files that an index names.
   *
   * @param suffix the ending that their names must have
   * @param format opens one of them
   */
  static ShardedCheckpoint open(Path index, String suffix, Function<Path, WeightSource> format) {
    JsonNode weightMap =
        ConfigJson.read(index)
            .node("weight_map")
            .filter(JsonNode::isObject)
            .orElseThrow(
                () ->
                    new InvalidFileException(
                        index, "has no \"weight_map\"; expected {tensor name: file name}."));
    Map<String, WeightSource> shards = new LinkedHashMap<>();
    Map<String, WeightSource> shardOfName = new LinkedHashMap<>();
    try {
      for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
        String fileName = checkedName(index, suffix, entry);
        WeightSource shard = shards.get(fileName);
        if (shard == null) {
          shard = format.apply(existing(index, fileName));
          shards.put(fileName, shard);
        }
        if (!shard.names().contains(entry.getKey())) {
          throw new InvalidFileException(
              index,
              "says that \""
                  + entry.getKey()
                  + "\" is in "
                  + fileName
                  + ", which does not have it. The files belong to different checkpoints.");
        }
        shardOfName.put(entry.getKey(), shard);
      }
      return new ShardedCheckpoint(index, shards, shardOfName);
    } catch (RuntimeException e) {
      shards.values().forEach(WeightSource::close);
      throw e;
    }
  }

  private static Path existing(Path index, String fileName) {
    Path file = index.resolveSibling(fileName);
    if (!Files.isRegularFile(file)) {
      throw new InvalidFileException(
          index,
          "names the file " + fileName + ", which is not there. Fetch the whole checkpoint.");
    }
    return file;
  }

  /** An index from elsewhere must not reach files outside its folder. */
  private static String checkedName(Path index, String suffix, Map.Entry<String, JsonNode> entry) {
    String name = entry.getValue().asText();
    boolean plain =
        entry.getValue().isTextual()
            && name.endsWith(suffix)
            && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
    if (!plain) {
      throw new InvalidFileException(
          index,
          "says that \""
              + entry.getKey()
              + "\" is in "
              + entry.getValue()
              + "; expected the name of a "
              + suffix
              + " file in the same folder.");
    }
    return name;
  }

  @Override
  public Set<String> names() {
    return shardOfName.keySet();
  }

  @Override
  public DType dtype(String name) {
    return shard(name).dtype(name);
  }

  @Override
  public Shape shape(String name) {
    return shard(name).shape(name);
  }

  @Override
  public Tensor tensor(String name) {
    return shard(name).tensor(name);
  }

  @Override
  public Tensor tensor(String name, DType dtype) {
    return shard(name).tensor(name, dtype);
  }

  @Override
  public void read(String name, Consumer<Tensor> reader) {
    shard(name).read(name, reader);
  }

  @Override
  public boolean sameElements(String first, String second) {
    return shard(first) == shard(second) && shard(first).sameElements(first, second);
  }

  @Override
  public Map<String, String> metadata() {
    return shards.values().stream().findFirst().map(WeightSource::metadata).orElse(Map.of());
  }

  @Override
  public void close() {
    shards.values().forEach(WeightSource::close);
  }

  private WeightSource shard(String name) {
    WeightSource shard = shardOfName.get(name);
    if (shard == null) {
      throw new IllegalArgumentException(
          index + " has no tensor \"" + name + "\". It has " + NameList.of(names()) + ".");
    }
    return shard;
  }

  @Override
  public String toString() {
    return index.toString();
  }
}
