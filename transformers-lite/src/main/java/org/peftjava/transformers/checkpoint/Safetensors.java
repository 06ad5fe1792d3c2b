package org.peftjava.transformers.checkpoint;

import java.nio.file.Path;
import java.util.Map;
import org.peftjava.torch.Tensor;

/**
 * Reads and writes one safetensors file, the format of Hugging Face checkpoints.
 *
 * <p>Format: <a href="https://github.com/huggingface/safetensors">huggingface/safetensors</a>.
 * Written files equal those of the reference writer byte for byte, except that several metadata
 * entries keep the order of the map, which is random there.
 */
public final class Safetensors {
  private Safetensors() {}

  /**
   * Maps a file into memory and checks its header.
   *
   * @throws org.peftjava.transformers.config.InvalidFileException if the file is damaged or is not
   *     safetensors
   */
  public static WeightSource open(Path file) {
    return SafetensorsFile.open(file);
  }

  /**
   * Replaces or creates a file; see {@link AtomicFiles}. Tensors on a device are copied to the host
   * chunk by chunk.
   *
   * @param metadata texts to keep with the tensors; transformers expects {@code format: pt}
   */
  public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
    SafetensorsWriter writer = new SafetensorsWriter(tensors, metadata);
    AtomicFiles.write(file, writer::writeTo);
  }

  /** Adds a file to those of a batch. */
  public static void write(
      FileBatch files, String name, Map<String, Tensor> tensors, Map<String, String> metadata) {
    SafetensorsWriter writer = new SafetensorsWriter(tensors, metadata);
    files.write(name, writer::writeTo);
  }
}
