package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** What is written is read again; Python has read such files with torch.load. */
class TorchFileWriterTest {
  @Test
  void tensorsOfEveryTypeAndShapeComeBack(@TempDir Path folder) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor matrix = Creation.ofFloats(new float[] {1, -2, 3, 4, 5.5f, 6}, 2, 3);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (DType type : new DType[] {DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16}) {
        tensors.put("layer." + type, matrix.to(type));
      }
      tensors.put("turned", matrix.t());
      tensors.put("ü", Creation.ofLongs(new long[] {7, -8}, 2));
      tensors.put("scalar", Creation.full(DType.FLOAT32, 2.5));
      tensors.put("nothing", Creation.zeros(DType.FLOAT32, 0, 4));
      Path file = folder.resolve("new/folder/tensors.pt");
      TorchFileWriter.write(file, tensors);
      try (WeightSource source = TorchFile.open(file)) {
        assertEquals(tensors.keySet(), source.names());
        tensors.forEach(
            (name, tensor) -> {
              assertEquals(tensor.dtype(), source.dtype(name), name);
              assertEquals(tensor.shape(), source.shape(name), name);
              assertArrayEquals(tensor.contiguous().toBytes(), source.tensor(name).toBytes(), name);
            });
      }
    }
  }
}
