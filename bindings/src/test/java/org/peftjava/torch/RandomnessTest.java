package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LedgerCheck.class)
class RandomnessTest {
  /** The first numbers of {@code torch.manual_seed(42); torch.randn(4)} in Python. */
  private static final float[] PYTHON = {0.33669037f, 0.1288094f, 0.23446237f, 0.23033303f};

  @Test
  void seedGivesPythonsNumbers() {
    try (TensorScope scope = TensorScope.open("test")) {
      Randomness.manualSeed(42);
      Values.assertClose(PYTHON, Creation.randn(DType.FLOAT32, 4).toFloats(), 1e-7, "randn");
    }
  }

  @Test
  void seedRepeatsEverySource() {
    try (TensorScope scope = TensorScope.open("test")) {
      Randomness.manualSeed(7);
      List<float[]> first = draw();
      List<float[]> next = draw();
      Randomness.manualSeed(7);
      assertSame(first, draw());
      assertSame(next, draw());
      Randomness.manualSeed(-7);
      List<float[]> other = draw();
      for (int i = 0; i < other.size(); i++) {
        assertFalse(Arrays.equals(first.get(i), other.get(i)), "source " + i);
      }
    }
  }

  @Test
  void savedStateComesBack() {
    try (TensorScope scope = TensorScope.open("test")) {
      Randomness.manualSeed(11);
      draw();
      Randomness.State state = Randomness.save();
      List<float[]> expected = draw();
      Randomness.manualSeed(99);
      draw();
      Randomness.restore(state);
      assertSame(expected, draw());
      Randomness.restore(state);
      assertEquals(state.seed(), Randomness.save().seed());
      assertEquals(state.counter(), Randomness.save().counter());
      assertArrayEquals(state.generator(), Randomness.save().generator());
    }
  }

  @Test
  void stateOutlivesItsTensorsAndLists() {
    List<byte[]> cards = new ArrayList<>();
    Randomness.State state = new Randomness.State(1, 2, Randomness.save().generator(), cards);
    cards.add(new byte[1]);
    assertEquals(List.of(), state.cards());
    Randomness.restore(state); // outside every scope
    assertEquals(2, Randomness.save().counter());
  }

  @Test
  void damagedStateIsAnError() {
    Randomness.State before = Randomness.save();
    Randomness.State damaged = new Randomness.State(3, 4, new byte[] {1, 2, 3});
    assertThrows(TorchException.class, () -> Randomness.restore(damaged));
    assertEquals(before.counter(), Randomness.save().counter());
    assertArrayEquals(before.generator(), Randomness.save().generator());
  }

  @Test
  void masksHaveDifferentSeeds() {
    Randomness.manualSeed(0);
    long first = Randomness.nextMaskSeed();
    assertNotEquals(first, Randomness.nextMaskSeed());
    Randomness.manualSeed(1);
    assertNotEquals(first, Randomness.nextMaskSeed());
  }

  /** One draw from each source of random numbers. */
  private static List<float[]> draw() {
    Tensor x = Creation.ones(DType.FLOAT32, 40, 3);
    return List.of(
        Creation.randn(DType.FLOAT32, 20).toFloats(),
        Dropouts.dropout(x, 0.5).toFloats(),
        Dropouts.dropout(x.t(), 0.5).toFloats(),
        Creation.empty(DType.FLOAT32, Device.CPU, 20).uniformInPlace(-3, 3).toFloats(),
        Ops.multinomial(Creation.full(DType.FLOAT32, 0.1, 20, 10)).toFloats());
  }

  private static void assertSame(List<float[]> expected, List<float[]> actual) {
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i), actual.get(i), "source " + i);
    }
  }
}
