package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.LedgerCheck;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;

@ExtendWith(LedgerCheck.class)
class ModuleTest {
  /** Table and head of equal shape, two blocks, a buffer: a language model in small. */
  static final class Tree extends Module {
    final Embedding table = child("embed", new Embedding(5, 3, DType.FLOAT32));
    final Slot<LinearLayer> projection =
        child("proj", LinearLayer.class, new Linear(3, 3, true, DType.FLOAT32));
    final ModuleList<Block> layers = child("layers", new ModuleList<>(Block.class));
    final Parameter scale =
        register("scale", new Parameter(Shape.of(3), DType.FLOAT32, Init.constant(1.5)));
    final Parameter positions =
        registerBuffer("positions", new Parameter(Shape.of(2), DType.INT64, Init.constant(7)));
    final Linear head = child("head", new Linear(3, 5, false, DType.FLOAT32));

    Tree() {
      layers.add(new Block()).add(new Block());
    }

    void tie() {
      head.share("weight", table.table());
    }

    void add(String name, Module module) {
      child(name, module);
    }

    void remove(String child, String parameter) {
      assertSame(head, removeChild(child));
      unregister(parameter);
    }
  }

  /** A block. */
  static final class Block extends Module {
    final LayerNorm norm = child("norm", new LayerNorm(3, 1e-5, DType.FLOAT32));
    final Dropout dropout = child("dropout", new Dropout(0.5));
  }

  private static final List<String> NAMES =
      List.of(
          "scale",
          "embed.weight",
          "proj.weight",
          "proj.bias",
          "layers.0.norm.weight",
          "layers.0.norm.bias",
          "layers.1.norm.weight",
          "layers.1.norm.bias",
          "head.weight");

  @Test
  void namesFollowTheOrderOfRegistration() {
    Tree tree = new Tree();
    assertEquals(NAMES, List.copyOf(tree.namedParameters().keySet()));
    assertEquals(
        List.of(
            "",
            "embed",
            "proj",
            "layers",
            "layers.0",
            "layers.0.norm",
            "layers.0.dropout",
            "layers.1",
            "layers.1.norm",
            "layers.1.dropout",
            "head"),
        List.copyOf(tree.namedModules().keySet()));
    List<String> state = List.copyOf(tree.namedState().keySet());
    assertEquals(List.of("scale", "positions", "embed.weight"), state.subList(0, 3));
    assertEquals(10, state.size());
    assertEquals(List.of("embed", "proj", "layers", "head"), List.copyOf(tree.children().keySet()));
    assertEquals(List.of("scale"), List.copyOf(tree.ownParameters().keySet()));
    assertEquals(List.of("positions"), List.copyOf(tree.ownBuffers().keySet()));
  }

  @Test
  void sharedParametersCountOnceAndAreSavedUnderEachName() {
    Tree tree = new Tree();
    tree.tie();
    assertEquals(NAMES.subList(0, 8), List.copyOf(tree.namedParameters().keySet()));
    assertSame(tree.namedState().get("embed.weight"), tree.namedState().get("head.weight"));
    assertSame(tree.table.table(), tree.head.weight());
    assertEquals(
        3 + 15 + 12 + 12,
        tree.namedParameters().values().stream().mapToLong(Parameter::numel).sum());
  }

  @Test
  void sharedChildrenAreNamedOnce() {
    Tree tree = new Tree();
    tree.add("again", tree.head);
    assertFalse(tree.namedModules().containsKey("again"));
    assertEquals(NAMES, List.copyOf(tree.namedParameters().keySet()));
    assertTrue(tree.namedState().containsKey("again.weight"));
  }

  @Test
  void onlyParametersThatAClassFollowsCanBeShared() {
    Tree tree = new Tree();
    Parameter other = new Parameter(Shape.of(3), DType.FLOAT32, Init.ones());
    assertEquals(
        "Linear has no parameter 'bias', only [weight].",
        assertThrows(IllegalArgumentException.class, () -> tree.head.share("bias", other))
            .getMessage());
    Linear projection = (Linear) tree.projection.get();
    projection.share("bias", other);
    assertSame(other, projection.bias().orElseThrow());
    assertSame(other, projection.ownParameters().get("bias"));
    assertEquals(
        "A Tree cannot share its parameter 'scale'.",
        assertThrows(IllegalArgumentException.class, () -> tree.share("scale", other))
            .getMessage());
    assertNotSame(other, tree.ownParameters().get("scale"));
  }

  @Test
  void slotsTakeWhatTheirParentCanCall() {
    try (Tree tree = new Tree();
        TensorScope scope = TensorScope.open("test")) {
      Linear old = (Linear) tree.projection.get();
      tree.eval();
      Conv1D replacement = new Conv1D(3, 3, DType.FLOAT32);
      ModulePath.replace(tree, "proj", replacement);
      assertSame(replacement, tree.projection.get());
      assertFalse(replacement.isTraining());
      assertEquals(NAMES, List.copyOf(tree.namedParameters().keySet()));
      assertEquals(
          "A LayerNorm cannot stand where a LinearLayer is expected.",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> ModulePath.replace(tree, "proj", new LayerNorm(3, 1, DType.FLOAT32)))
              .getMessage());
      assertSame(replacement, tree.projection.get());
      ModulePath.replace(tree, "layers.1.norm", new LayerNorm(3, 1, false, DType.FLOAT32));
      assertFalse(tree.namedParameters().containsKey("layers.1.norm.weight"));
      tree.initialize();
      assertFalse(old.weight().isMaterialized());
      assertEquals(
          "Tree has no child 'q', only [embed, proj, layers, head].",
          assertThrows(IllegalArgumentException.class, () -> tree.replaceChild("q", old))
              .getMessage());
    }
  }

  @Test
  void pathsFindModules() {
    Tree tree = new Tree();
    assertSame(tree, ModulePath.get(tree, ""));
    assertSame(tree.layers.list().get(1).norm, ModulePath.get(tree, "layers.1.norm"));
    assertEquals(Optional.empty(), ModulePath.find(tree, "layers.2.norm"));
    assertEquals(Optional.empty(), ModulePath.find(tree, "layers..norm"));
    assertEquals(
        "Tree has no module 'layers.2'.",
        assertThrows(IllegalArgumentException.class, () -> ModulePath.get(tree, "layers.2"))
            .getMessage());
  }

  @Test
  void namesAreCheckedAndTakenOnce() {
    Tree tree = new Tree();
    Module other = new Dropout(0.25);
    for (String bad : List.of("", "a.b")) {
      assertEquals(
          "A module or parameter name must be non-empty and without dots, got '" + bad + "'.",
          assertThrows(IllegalArgumentException.class, () -> tree.add(bad, other)).getMessage());
    }
    for (String taken : List.of("embed", "scale", "positions")) {
      assertEquals(
          "Tree already has a member '" + taken + "'.",
          assertThrows(IllegalArgumentException.class, () -> tree.add(taken, other)).getMessage());
    }
    tree.remove("head", "scale");
    assertEquals(NAMES.subList(1, 8), List.copyOf(tree.namedParameters().keySet()));
    assertThrows(IllegalArgumentException.class, () -> tree.remove("head", "scale"));
  }

  @Test
  void listsGrowAndFollowReplacements() {
    Tree tree = new Tree();
    Block third = new Block();
    tree.layers.add(third);
    assertEquals(3, tree.layers.list().size());
    assertSame(third, tree.layers.findChild("2").orElseThrow());
    Block other = new Block();
    tree.layers.replaceChild("0", other);
    assertSame(other, tree.layers.list().get(0));
    assertThrows(IndexOutOfBoundsException.class, () -> tree.layers.list().get(3));
    assertThrows(UnsupportedOperationException.class, () -> tree.layers.list().clear());
  }

  @Test
  void trainingReachesEveryModule() {
    Tree tree = new Tree();
    assertTrue(tree.namedModules().values().stream().allMatch(Module::isTraining));
    tree.eval();
    assertTrue(tree.namedModules().values().stream().noneMatch(Module::isTraining));
    tree.layers.train(true);
    assertTrue(tree.layers.list().get(1).dropout.isTraining());
    assertFalse(tree.head.isTraining());
  }

  @Test
  void typesAndDevicesReachEveryParameterOnce() {
    try (Tree tree = new Tree();
        TensorScope scope = TensorScope.open("test")) {
      tree.tie();
      tree.initialize();
      float[] before = tree.scale.tensor().toFloats();
      tree.to(DType.BFLOAT16);
      assertTrue(
          tree.namedParameters().values().stream().allMatch(p -> p.dtype() == DType.BFLOAT16));
      assertEquals(DType.INT64, tree.positions.tensor().dtype());
      assertArrayEquals(new long[] {7, 7}, tree.positions.tensor().toLongs());
      assertArrayEquals(before, tree.scale.tensor().toFloats());
      long address = tree.scale.tensor().address();
      tree.to(Device.CPU);
      assertEquals(address, tree.scale.tensor().address());
    }
  }

  @Test
  void gradientsSwitchAndVanish() {
    try (Tree tree = new Tree();
        TensorScope scope = TensorScope.open("test")) {
      tree.initialize();
      tree.scale.tensor().mul(3).sum().backward();
      assertArrayEquals(new float[] {3, 3, 3}, tree.scale.tensor().grad().orElseThrow().toFloats());
      tree.zeroGrad();
      assertTrue(tree.scale.tensor().grad().isEmpty());
      tree.requiresGrad(false);
      assertTrue(tree.namedParameters().values().stream().noneMatch(Parameter::requiresGrad));
      assertFalse(tree.scale.tensor().requiresGrad());
      tree.requiresGrad(true);
      assertTrue(tree.scale.tensor().requiresGrad());
      assertFalse(tree.positions.requiresGrad());
    }
  }

  @Test
  void closingFreesEverythingOnce() {
    long before = TensorLedger.liveTensors();
    Tree tree = new Tree();
    tree.tie();
    assertEquals(before, TensorLedger.liveTensors());
    tree.initialize();
    assertEquals(before + 9, TensorLedger.liveTensors()); // 8 parameters, 1 buffer
    Tensor held = tree.scale.tensor();
    tree.close();
    tree.close();
    assertEquals(before, TensorLedger.liveTensors());
    assertTrue(held.isClosed());
    assertThrows(IllegalStateException.class, () -> tree.scale.tensor());
  }

  @Test
  void initializingKeepsValuesThatAreThere() {
    try (Tree tree = new Tree();
        TensorScope scope = TensorScope.open("test")) {
      tree.scale.copyFrom(Creation.ofFloats(new float[] {4, 5, 6}, 3));
      tree.initialize();
      assertArrayEquals(new float[] {4, 5, 6}, tree.scale.tensor().toFloats());
      assertArrayEquals(
          new float[] {1, 1, 1},
          tree.layers.list().get(0).norm.ownParameters().get("weight").tensor().toFloats());
    }
  }
}
