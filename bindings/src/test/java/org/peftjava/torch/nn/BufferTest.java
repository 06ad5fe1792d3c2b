package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.TensorScope;

class BufferTest {
  @Test
  void aBufferMayBeNamedBelowAWeight() {
    try (TensorScope scope = TensorScope.open("test");
        Packed module = new Packed()) {
      assertEquals(List.of("weight", "weight.scale"), List.copyOf(module.namedState().keySet()));
      assertEquals(List.of("weight"), List.copyOf(module.namedParameters().keySet()));
      assertFalse(module.ownBuffers().get("weight.scale").requiresGrad());
      assertThrows(IllegalArgumentException.class, () -> module.register("a.b", parameter(1.0f)));
      var taken =
          assertThrows(
              IllegalArgumentException.class,
              () -> module.registerBuffer("weight.scale", parameter(1.0f)));
      assertEquals("Packed already has a member 'weight.scale'.", taken.getMessage());
    }
  }

  @Test
  void aReplacedBufferKeepsItsPlace() {
    try (TensorScope scope = TensorScope.open("test");
        Packed module = new Packed()) {
      Parameter old = module.ownBuffers().get("weight.scale");
      module.registerBuffer("last", parameter(9));
      module.replaceBuffer("weight.scale", parameter(5, 6));
      assertTrue(old.isMaterialized());
      old.close();
      assertEquals(List.of("weight.scale", "last"), List.copyOf(module.ownBuffers().keySet()));
      assertArrayEquals(
          new float[] {5, 6}, module.ownBuffers().get("weight.scale").tensor().toFloats());
      var missing =
          assertThrows(
              IllegalArgumentException.class, () -> module.replaceBuffer("scale", parameter(1.0f)));
      assertEquals(
          "Packed has no buffer 'scale', only [weight.scale, last].", missing.getMessage());
    }
  }

  /** 1/3 has more digits than bfloat16 keeps. */
  @Test
  void aFixedTypeSurvivesConversion() {
    try (TensorScope scope = TensorScope.open("test");
        Packed module = new Packed()) {
      module.to(DType.BFLOAT16);
      assertEquals(DType.BFLOAT16, module.ownParameters().get("weight").dtype());
      Parameter scale = module.ownBuffers().get("weight.scale");
      assertEquals(DType.FLOAT32, scale.dtype());
      assertArrayEquals(new float[] {1 / 3f}, scale.tensor().toFloats());
    }
  }

  private static Parameter parameter(float... values) {
    Parameter parameter =
        new Parameter(
            Creation.ofFloats(values, values.length).shape(), DType.FLOAT32, Init.zeros());
    parameter.adopt(Creation.ofFloats(values, values.length));
    return parameter;
  }

  private static final class Packed extends Module {
    Packed() {
      register("weight", parameter(1, 2, 3));
      registerBuffer("weight.scale", parameter(1 / 3f).fixDtype());
    }
  }
}
