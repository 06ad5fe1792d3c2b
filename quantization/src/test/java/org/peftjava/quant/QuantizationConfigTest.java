package org.peftjava.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;

class QuantizationConfigTest extends ScopedTest {
  private static final QuantizationConfig NF4 =
      BitsAndBytesConfig.builder()
          .loadIn4bit(true)
          .bnb4bitQuantType(QuantType.NF4)
          .bnb4bitUseDoubleQuant(true)
          .build();

  @Test
  void replacesLinearLayersAndFreesTheirWeights() {
    try (Model model = new Model(false)) {
      Linear fc1 = (Linear) model.block.fc1.get();
      float[] dense = fc1.denseWeight(DType.FLOAT32).toFloats();
      Parameter bias = fc1.bias().orElseThrow();
      model.eval();

      assertEquals(List.of("block.fc1", "block.c_fc"), NF4.applyTo(model));

      QuantizedLinear packed = assertInstanceOf(QuantizedLinear.class, model.block.fc1.get());
      assertFalse(fc1.weight().isMaterialized());
      assertSame(bias, packed.bias().orElseThrow());
      assertFalse(packed.isTraining());
      assertInstanceOf(Linear.class, model.head.get());
      Tensor reference = Creation.ofFloats(dense, 48, 32);
      assertError(reference, packed.denseWeight(DType.FLOAT32));
    }
  }

  @Test
  void transposedWeightsAreTurnedFirst() {
    try (Model model = new Model(false)) {
      Tensor dense = model.block.transposed.get().denseWeight(DType.FLOAT32);
      Tensor x = Creation.randn(DType.FLOAT32, 20, 48);
      Tensor before = model.block.transposed.get().forward(x).detach();
      NF4.applyTo(model);
      LinearLayer packed = model.block.transposed.get();
      assertError(dense, packed.denseWeight(DType.FLOAT32));
      double error = packed.forward(x).sub(before).pow(2).mean().sqrt().toDouble();
      double size = before.pow(2).mean().sqrt().toDouble();
      assertTrue(error > 0 && error < 0.2 * size, () -> error + " of " + size);
    }
  }

  @Test
  void applyingTwiceChangesNothing() {
    try (Model model = new Model(false)) {
      NF4.applyTo(model);
      Module first = ModulePath.get(model, "block.fc1");
      assertEquals(List.of(), NF4.applyTo(model));
      assertSame(first, ModulePath.get(model, "block.fc1"));
    }
  }

  @Test
  void anExplicitListReplacesTheDefault() {
    try (Model model = new Model(false)) {
      assertEquals(List.of("lm_head"), skipping("block\\.[cf].*").applyTo(model));
    }
    try (Model model = new Model(false)) {
      assertEquals(List.of("block.c_fc"), skipping("fc1", "lm_head").applyTo(model));
    }
    try (Model model = new Model(false)) {
      assertEquals(List.of("block.fc1", "block.c_fc", "lm_head"), skipping().applyTo(model));
    }
  }

  @Test
  void theOutputHeadMayHaveAnotherName() {
    try (Model model = new Model(false)) {
      assertEquals(List.of("block.c_fc"), NF4.applyTo(model, List.of("block.fc1")));
    }
  }

  /** Its memory is the embedding's, which must stay. */
  @Test
  void aSharedWeightStays() {
    try (Model model = new Model(true)) {
      assertEquals(List.of("block.fc1", "block.c_fc"), skipping().applyTo(model));
      assertTrue(((Linear) model.head.get()).weight().isMaterialized());
    }
  }

  @Test
  void whatCannotBeDoneIsSaid() {
    try (Model model = new Model(false)) {
      var error =
          assertThrows(IllegalArgumentException.class, () -> skipping("fc1(").applyTo(model));
      assertTrue(error.getMessage().contains("The name 'fc1(' of modules to skip"));
      assertInstanceOf(Linear.class, model.block.fc1.get());
    }
    Linear alone = new Linear(4, 4, false, DType.FLOAT32);
    assertThrows(IllegalArgumentException.class, () -> skipping().applyTo(alone));
    Block unloaded = new Block();
    var error = assertThrows(IllegalStateException.class, () -> NF4.applyTo(unloaded));
    assertTrue(error.getMessage().startsWith("The weight of fc1 has no values to quantize."));
  }

  private static QuantizationConfig skipping(String... names) {
    return BitsAndBytesConfig.builder().loadIn4bit(true).llmInt8SkipModules(List.of(names)).build();
  }

  /** NF4 leaves about a tenth of a normal weight's size as error. */
  private static void assertError(Tensor dense, Tensor packed) {
    double error = packed.sub(dense).pow(2).mean().sqrt().toDouble();
    double size = dense.pow(2).mean().sqrt().toDouble();
    assertTrue(error > 0 && error < 0.15 * size, () -> error + " of " + size);
  }

  private static final class Block extends Module {
    final Slot<LinearLayer> fc1 =
        child("fc1", LinearLayer.class, new Linear(32, 48, true, DType.FLOAT32));
    final Slot<LinearLayer> transposed =
        child("c_fc", LinearLayer.class, new Conv1D(48, 32, DType.FLOAT32));
  }

  private static final class Model extends Module {
    final Embedding embedding = child("embed", new Embedding(50, 32, DType.FLOAT32));
    final Block block = child("block", new Block());
    final Slot<LinearLayer> head =
        child("lm_head", LinearLayer.class, new Linear(32, 50, false, DType.FLOAT32));

    Model(boolean tied) {
      if (tied) {
        ((Linear) head.get()).share("weight", embedding.ownParameters().get("weight"));
      }
      initialize();
    }
  }
}
