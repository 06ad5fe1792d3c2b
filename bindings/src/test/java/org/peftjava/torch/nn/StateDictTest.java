package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LedgerCheck;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.Values;

@ExtendWith(LedgerCheck.class)
class StateDictTest {
  @Test
  void goesOutAndComesBack() {
    try (ModuleTest.Tree first = new ModuleTest.Tree();
        ModuleTest.Tree second = new ModuleTest.Tree();
        TensorScope scope = TensorScope.open("test")) {
      first.initialize();
      Map<String, Tensor> state = StateDict.of(first);
      assertEquals(first.namedState().keySet(), state.keySet());
      StateDict.LoadReport report = StateDict.load(second, state, StateDict.Mode.COPY);
      assertTrue(report.isClean());
      second
          .namedState()
          .forEach(
              (name, p) -> {
                assertArrayEquals(state.get(name).toFloats(), p.tensor().toFloats(), name);
                assertNotEquals(state.get(name).address(), p.tensor().address());
              });
    }
  }

  @Test
  void reportsWhatDidNotMatch() {
    try (ModuleTest.Tree tree = new ModuleTest.Tree();
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> values = new LinkedHashMap<>();
      values.put("head.weight", Values.normal(1, DType.FLOAT32, 5, 4));
      values.put("scale", Values.normal(2, DType.FLOAT32, 3));
      values.put("embed.bias", Values.normal(3, DType.FLOAT32, 3));
      values.put("proj.bias", Values.normal(4, DType.FLOAT32, 1));
      values.put("layers.0.norm.weight", Values.normal(5, DType.FLOAT32, 3));
      StateDict.LoadReport report = StateDict.load(tree, values, StateDict.Mode.COPY);
      assertFalse(report.isClean());
      assertEquals(
          List.of(
              "positions",
              "embed.weight",
              "proj.weight",
              "layers.0.norm.bias",
              "layers.1.norm.weight",
              "layers.1.norm.bias"),
          report.missing());
      assertEquals(List.of("embed.bias"), report.unexpected());
      assertEquals(List.of("head.weight", "proj.bias"), List.copyOf(report.mismatched().keySet()));
      assertEquals(
          new StateDict.ShapeConflict(Shape.of(5, 4), Shape.of(5, 3)),
          report.mismatched().get("head.weight"));
      assertArrayEquals(values.get("scale").toFloats(), tree.scale.tensor().toFloats());
      assertFalse(tree.head.weight().isMaterialized());
    }
  }

  @Test
  void sharedParametersNeedOneOfTheirNames() {
    for (String given : List.of("embed.weight", "head.weight")) {
      try (ModuleTest.Tree tree = new ModuleTest.Tree();
          TensorScope scope = TensorScope.open("test")) {
        tree.tie();
        Tensor table = Values.normal(6, DType.FLOAT32, 5, 3);
        StateDict.LoadReport report =
            StateDict.load(tree, Map.of(given, table), StateDict.Mode.ADOPT);
        assertFalse(report.missing().contains("embed.weight"));
        assertFalse(report.missing().contains("head.weight"));
        assertEquals(8, report.missing().size());
        assertEquals(table.address(), tree.head.weight().tensor().address());
        assertEquals(
            StateDict.of(treeWithValues(tree)).get("embed.weight").address(),
            tree.head.weight().tensor().address());
      }
    }
  }

  @Test
  void firstOfTwoValuesForASharedParameterCounts() {
    try (ModuleTest.Tree tree = new ModuleTest.Tree();
        TensorScope scope = TensorScope.open("test")) {
      tree.tie();
      Map<String, Tensor> values = new LinkedHashMap<>();
      values.put("head.weight", Creation.full(DType.FLOAT32, 2, 5, 3));
      values.put("embed.weight", Creation.full(DType.FLOAT32, 3, 5, 3));
      StateDict.load(tree, values, StateDict.Mode.COPY);
      assertEquals(2, tree.table.table().tensor().max().toDouble());
    }
  }

  @Test
  void adoptingTakesTheTypeCopyingConverts() {
    for (StateDict.Mode mode : StateDict.Mode.values()) {
      try (ModuleTest.Tree tree = new ModuleTest.Tree();
          TensorScope scope = TensorScope.open("test")) {
        Tensor value = Values.normal(7, DType.BFLOAT16, 3);
        StateDict.load(tree, Map.of("scale", value), mode);
        boolean adopted = mode == StateDict.Mode.ADOPT;
        assertEquals(adopted ? DType.BFLOAT16 : DType.FLOAT32, tree.scale.dtype());
        assertEquals(adopted, value.address() == tree.scale.tensor().address());
        assertArrayEquals(value.toFloats(), tree.scale.tensor().toFloats());
      }
    }
  }

  private static ModuleTest.Tree treeWithValues(ModuleTest.Tree tree) {
    tree.initialize();
    return tree;
  }
}
