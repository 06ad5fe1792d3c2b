package org.peftjava.transformers.model.t5;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.StateDict;
import org.peftjava.transformers.Goldens;

/** Classes of distances where the largest distance is so small that the formula runs backwards. */
class RelativePositionsTest {

  @TestFactory
  List<DynamicTest> classesArePythons() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : new ObjectMapper().readTree(Goldens.folder("t5_distances.json").toFile())) {
      String name = row.get("buckets") + " " + row.get("max") + " " + row.get("bidirectional");
      tests.add(DynamicTest.dynamicTest(name, () -> check(row)));
    }
    return tests;
  }

  private static void check(JsonNode row) {
    int buckets = row.get("buckets").intValue();
    int furthest = row.get("max").intValue();
    boolean both = row.get("bidirectional").booleanValue();
    JsonNode classes = row.get("classes");
    int middle = both ? classes.size() / 2 : classes.size() - 1; // the token itself
    int reach = 0; // how far all tokens have a class
    while (reach < middle && known(classes, middle, reach + 1, both)) {
      reach++;
    }
    T5Config config =
        T5Config.builder()
            .numHeads(1)
            .relativeAttentionNumBuckets(buckets)
            .relativeAttentionMaxDistance(furthest)
            .build();
    try (T5Attention table =
            new T5Attention(config, 0, /* hasRelativeBias= */ true, DType.FLOAT32);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      table.initialize();
      StateDict.of(table)
          .get("relative_attention_bias.weight")
          .copyInPlace(
              Creation.arange(0, buckets, Device.CPU).to(DType.FLOAT32).reshape(buckets, 1));
      RelativePositions positions = RelativePositions.of(config, table, both);
      int tokens = reach + 1;
      float[] expected = new float[tokens * tokens];
      for (int i = 0; i < expected.length; i++) {
        int position = i % tokens - i / tokens;
        expected[i] =
            !both && position > 0
                ? Float.NEGATIVE_INFINITY
                : classes.get(middle + position).intValue();
      }
      assertArrayEquals(expected, positions.bias(tokens, tokens, Device.CPU).toFloats());
      if (reach < middle) {
        String message =
            assertThrows(
                    IllegalArgumentException.class,
                    () -> positions.bias(tokens + 1L, tokens + 1L, Device.CPU))
                .getMessage();
        assertTrue(message.contains("relative_attention_max_distance is " + furthest), message);
      }
    }
  }

  private static boolean known(JsonNode classes, int middle, int distance, boolean both) {
    return !classes.get(middle - distance).isNull()
        && (!both || !classes.get(middle + distance).isNull());
  }
}
