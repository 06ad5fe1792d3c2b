package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.torch.DType;

/**
 * What a layer with LoRA on all its linear layers keeps for the backward pass, in bytes a token.
 * Measured in a process of its own, whose compiler takes no memory in between.
 *
 * <p>A Llama layer keeps its input, the state between its blocks, queries and attention's result (h
 * numbers each), keys and values (kv each), gate and up (f each): 8h + 4kv + 4f bytes in bfloat16.
 * No norm's output, no product with the gate, no repeated key, no float32 copy, no dropout mask.
 */
class SavedActivationsIT {
  /** Float32 statistics of norms and attention, LoRA's r numbers, and the graph's nodes. */
  private static final double STATISTICS = 300;

  private static final Map<String, Double> MEASURED = new HashMap<>();

  @BeforeAll
  static void measure() throws IOException, InterruptedException {
    Process child = ChildJvm.start(ActivationsChild.class);
    List<String> output = child.inputReader().lines().toList();
    assertEquals(0, child.waitFor(), () -> String.join("\n", output));
    for (String line : output) {
      int end = line.lastIndexOf(' ');
      MEASURED.put(line.substring(0, end), Double.valueOf(line.substring(end + 1)));
    }
  }

  @ParameterizedTest
  @EnumSource
  void inFloat32(ActivationsChild.Kind kind) {
    check(kind, DType.FLOAT32);
  }

  @ParameterizedTest
  @EnumSource
  void inBfloat16(ActivationsChild.Kind kind) {
    check(kind, DType.BFLOAT16);
  }

  private static void check(ActivationsChild.Kind kind, DType type) {
    Double measured = MEASURED.get(kind + " " + type);
    assertNotNull(measured, kind + " " + type + " in " + MEASURED);
    double bytes = (double) kind.numbers * type.byteSize() + kind.layers() * STATISTICS;
    assertEquals(bytes, measured, 0.03 * bytes, () -> kind + " of " + MEASURED);
  }
}
