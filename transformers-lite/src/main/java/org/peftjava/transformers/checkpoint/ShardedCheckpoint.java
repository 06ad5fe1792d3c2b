package org.peftjava.transformers.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * A checkpoint of several safetensors files and an index that says which tensor is in which file.
 */
final class ShardedCheckpoint implements WeightSource {
  private final Map<String, SafetensorsFile> shards;
  private final Map<String, SafetensorsFile> shardOfName;
  private final Path index;

  private ShardedCheckpoint(
      Path index, Map<String, SafetensorsFile> shards, Map<String, SafetensorsFile> shardOfName) {
    this.index = index;
    this.shards = shards;
    this.shardOfName = Collections.unmodifiableMap(shardOfName);
  }

  static ShardedCheckpoint open(Path index) {
    JsonNode weightMap =
        ConfigJson.read(index)
            .node("weight_map")
            .filter(JsonNode::isObject)
            .orElseThrow(
                () ->
                    new InvalidFileException(
                        index, "has no \"weight_map\"; expected {tensor name: file name}."));
    Map<String, SafetensorsFile> shards = new LinkedHashMap<>();
    Map<String, SafetensorsFile> shardOfName = new LinkedHashMap<>();
    try {
      for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
        String fileName = checkedName(index, entry);
        SafetensorsFile shard = shards.get(fileName);
        if (shard == null) {
          shard = openShard(index, fileName);
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
      shards.values().forEach(SafetensorsFile::close);
      throw e;
    }
  }

  private static SafetensorsFile openShard(Path index, String fileName) {
    Path file = index.resolveSibling(fileName);
    if (!Files.isRegularFile(file)) {
      throw new InvalidFileException(
          index,
          "names the file " + fileName + ", which is not there. Fetch the whole checkpoint.");
    }
    return SafetensorsFile.open(file);
  }

  /** An index from elsewhere must not reach files outside its folder. */
  private static String checkedName(Path index, Map.Entry<String, JsonNode> entry) {
    String name = entry.getValue().asText();
    boolean plain =
        entry.getValue().isTextual()
            && name.endsWith(".safetensors")
            && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
    if (!plain) {
      throw new InvalidFileException(
          index,
          "says that \""
              + entry.getKey()
              + "\" is in "
              + entry.getValue()
              + "; expected the name of a .safetensors file in the same folder.");
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
  public Map<String, String> metadata() {
    return shards.values().stream().findFirst().map(SafetensorsFile::metadata).orElse(Map.of());
  }

  @Override
  public void close() {
    shards.values().forEach(SafetensorsFile::close);
  }

  private SafetensorsFile shard(String name) {
    SafetensorsFile shard = shardOfName.get(name);
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
