package org.peftjava.transformers.model.debertav2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

class DistancesTest {
  static List<JsonNode> rows() {
    JsonNode rows = PythonJson.read(Goldens.folder("deberta_buckets.json"), 1 << 20);
    return StreamSupport.stream(rows.spliterator(), false).toList();
  }

  /** A table whose vectors are the classes themselves shows which one each pair of tokens gets. */
  @ParameterizedTest
  @MethodSource("rows")
  void pairsGetTheVectorsThatPythonGives(JsonNode row) {
    long live = TensorLedger.liveTensors();
    int buckets = Math.max(0, row.get("buckets").asInt());
    int max = row.get("max").asInt();
    int span = buckets > 0 ? buckets : max;
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor table = Creation.arange(-span, span, Device.CPU).to(DType.FLOAT32).unsqueeze(1);
      int tokens = row.get("classes").size();
      Distances distances = Distances.of(table, tokens, buckets, max);
      float[] found =
          distances.vectors().squeeze(1).indexSelect(0, distances.index().reshape(-1)).toFloats();
      float[] expected = new float[tokens * tokens];
      for (int i = 0; i < tokens; i++) {
        for (int j = 0; j < tokens; j++) {
          int size = row.get("classes").get(Math.abs(i - j)).asInt();
          int signed = i >= j ? size : -size;
          expected[i * tokens + j] = Math.max(-span, Math.min(signed, span - 1));
        }
      }
      assertArrayEquals(expected, found);
    }
    assertEquals(live, TensorLedger.liveTensors());
  }
}
