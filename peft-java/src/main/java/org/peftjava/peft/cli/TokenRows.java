package org.peftjava.peft.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Token ids in a file: JSON rows, or tensors of a safetensors file. */
final class TokenRows {
  private static final long MAX_BYTES = 1L << 30;
  private static final Set<DType> INTEGERS = Set.of(DType.INT64, DType.INT32);

  private TokenRows() {}

  static TokenBatch read(Path file) {
    return file.toString().endsWith(".json") ? json(file) : safetensors(file);
  }

  /** Ids outside the vocabulary have no embedding. */
  static void checkVocabulary(Path file, TokenBatch batch, int vocabSize) {
    for (int row = 0; row < batch.size(); row++) {
      for (long id : batch.inputIds()[row]) {
        if (id < 0 || id >= vocabSize) {
          throw new InvalidFileException(
              file,
              "row " + row + " has the id " + id + "; expected 0 to " + (vocabSize - 1) + ".");
        }
      }
    }
  }

  private static TokenBatch json(Path file) {
    JsonNode root = PythonJson.read(file, MAX_BYTES);
    if (!root.isArray() || root.isEmpty() || !root.get(0).isArray()) {
      throw new InvalidFileException(file, "expected a list of rows of ids, [[2, 5], [2, 7]].");
    }
    long[][] rows = new long[root.size()][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = row(file, i, root.get(i), root.get(0).size());
    }
    return TokenBatch.of(rows);
  }

  private static long[] row(Path file, int index, JsonNode row, int length) {
    if (!row.isArray() || row.isEmpty() || row.size() != length) {
      throw new InvalidFileException(
          file,
          "row "
              + index
              + " has "
              + row.size()
              + " ids, row 0 has "
              + length
              + "; expected rows of one length, above 0. Padded rows need a .safetensors file with"
              + " input_ids and attention_mask.");
    }
    long[] ids = new long[length];
    for (int i = 0; i < length; i++) {
      if (!row.get(i).canConvertToLong() || !row.get(i).isIntegralNumber()) {
        throw new InvalidFileException(
            file, "row " + index + " holds " + row.get(i) + "; expected ids, whole numbers.");
      }
      ids[i] = row.get(i).longValue();
    }
    return ids;
  }

  private static TokenBatch safetensors(Path file) {
    try (WeightSource source = Safetensors.open(file);
        TensorScope scope = TensorScope.open("token rows")) {
      long[][] ids = matrix(file, source, "input_ids");
      return source.names().contains("attention_mask")
          ? TokenBatch.of(ids, matrix(file, source, "attention_mask"))
          : TokenBatch.of(ids);
    } catch (IllegalArgumentException e) {
      throw new InvalidFileException(file, String.valueOf(e.getMessage()), e);
    }
  }

  private static long[][] matrix(Path file, WeightSource source, String name) {
    if (!source.names().contains(name)) {
      throw new InvalidFileException(
          file, "has no tensor " + name + ", only " + source.names() + "; expected input_ids.");
    }
    Shape shape = source.shape(name);
    DType type = source.dtype(name);
    if (shape.rank() != 2 || shape.numel() == 0 || !INTEGERS.contains(type)) {
      throw new InvalidFileException(
          file,
          name
              + " is "
              + type
              + " "
              + shape
              + "; expected int64 or int32 of shape [rows, tokens].");
    }
    Tensor tensor = source.tensor(name).to(DType.INT64);
    long[] flat = tensor.toLongs();
    int width = Math.toIntExact(shape.get(1));
    long[][] rows = new long[Math.toIntExact(shape.get(0))][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = Arrays.copyOfRange(flat, i * width, (i + 1) * width);
    }
    return rows;
  }
}
