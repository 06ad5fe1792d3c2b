package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Views that stay in Java until an operator takes them: the same values, whoever closes what. */
@ExtendWith(LedgerCheck.class)
class ViewsTest {
  private static Tensor counted(long... sizes) {
    long count = Shape.of(sizes).numel();
    return Creation.arange(0, count, Device.CPU).to(DType.FLOAT32).reshape(sizes);
  }

  @Test
  void valuesAreThoseOfLibtorchsViews() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = counted(2, 3, 4).copy();
      List<Tensor> known = views(x);
      try (GradMode off = GradMode.noGrad()) {
        List<Tensor> waiting = views(x);
        for (int i = 0; i < known.size(); i++) {
          assertEquals(known.get(i).shape(), waiting.get(i).shape());
          assertEquals(known.get(i).stride(-1), waiting.get(i).stride(-1));
          assertArrayEquals(known.get(i).toFloats(), waiting.get(i).toFloats());
          // and again, as views of what has become a tensor of libtorch
          assertArrayEquals(
              known.get(i).narrow(0, 0, 1).toFloats(), waiting.get(i).narrow(0, 0, 1).toFloats());
        }
      }
    }
  }

  private static List<Tensor> views(Tensor x) {
    Tensor part = x.narrow(1, 1, 2);
    return List.of(
        x.narrow(2, 1, 3),
        part,
        part.narrow(2, 2, 1),
        part.narrow(0, 1, 1).reshape(2, 4),
        x.transpose(0, 2),
        x.transpose(-1, -2).narrow(0, 1, 1),
        x.reshape(6, 4),
        x.reshape(-1, 4),
        x.reshape(6, 4).narrow(0, 3, 2).narrow(1, 1, 2).transpose(0, 1),
        x.transpose(1, 2).reshape(2, 12),
        x.chunk(2, -1).get(1),
        x.chunk(2, 1).get(1));
  }

  @Test
  void writesReachTheOtherSide() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor x = counted(2, 3).copy();
      Tensor view = x.narrow(1, 1, 2);
      x.fillInPlace(7);
      assertArrayEquals(new float[] {7, 7, 7, 7}, view.toFloats());
      view.fillInPlace(2);
      assertArrayEquals(new float[] {7, 2, 2, 7, 2, 2}, x.toFloats());
    }
  }

  @Test
  void viewsOutliveWhatTheyAreOf() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor closed = counted(2, 3).copy();
      Tensor first = closed.narrow(0, 1, 1);
      Tensor second = first.narrow(1, 1, 2);
      closed.close();
      assertThrows(TorchException.ClosedTensor.class, closed::toFloats);
      first.close();
      assertArrayEquals(new float[] {4, 5}, second.toFloats());

      Tensor kept;
      Tensor escaped;
      try (TensorScope inner = TensorScope.open("inner")) {
        Tensor x = counted(2, 3).copy();
        kept = inner.keep(x.transpose(0, 1));
        escaped = x.narrow(1, 2, 1).escape();
      }
      assertArrayEquals(new float[] {0, 3, 1, 4, 2, 5}, kept.toFloats());
      assertArrayEquals(new float[] {1, 4}, kept.narrow(0, 1, 1).toFloats());
      assertArrayEquals(new float[] {2, 5}, escaped.narrow(0, 0, 2).toFloats());
      escaped.close();
    }
  }

  @Test
  void aKeptViewKeepsItsMemory() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor view;
      Tensor other;
      Tensor outer = counted(2, 3).copy();
      try (TensorScope inner = TensorScope.open("inner")) {
        Tensor x = counted(2, 3).copy();
        view = inner.keep(x.transpose(0, 1).narrow(0, 1, 2));
        other = inner.keep(outer.narrow(1, 0, 1));
      }
      outer.close();
      assertArrayEquals(new long[] {2, 2}, view.shape().toArray());
      assertArrayEquals(new float[] {1, 4, 2, 5}, view.toFloats());
      assertArrayEquals(new float[] {0, 3}, other.toFloats());
    }
  }

  @Test
  void viewsOfClosedOnesAreErrors() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor x = counted(2, 3).copy();
      Tensor view = x.narrow(0, 0, 1);
      view.close();
      assertThrows(TorchException.ClosedTensor.class, () -> view.narrow(0, 0, 1));
      assertThrows(TorchException.ClosedTensor.class, view::address);
      assertThrows(TorchException.class, () -> x.narrow(0, 1, 2));
      assertThrows(TorchException.class, () -> x.narrow(2, 0, 1));
      assertThrows(TorchException.class, () -> x.transpose(0, 2));
      assertThrows(TorchException.class, () -> x.reshape(4, 2));
    }
  }

  @Test
  void viewsOfParametersAreLibtorchsViews() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor weight = counted(2, 3).copy().requiresGrad(true);
      Tensor view;
      Tensor known;
      try (GradMode off = GradMode.noGrad()) {
        view = weight.narrow(0, 1, 1);
        known = weight.select(0, 1);
      }
      assertEquals(known.requiresGrad(), view.requiresGrad());
      Tensor sum = view.mul(weight.narrow(0, 0, 1)).sum();
      assertTrue(sum.requiresGrad());
      sum.backward();
      assertArrayEquals(
          new float[] {3, 4, 5}, weight.grad().orElseThrow().narrow(0, 0, 1).toFloats());
    }
  }

  @Test
  void anInnerScopeMayBeTheFirstToUseAView() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor view = counted(2, 3).copy().narrow(1, 1, 2);
      try (TensorScope inner = TensorScope.open("inner")) {
        assertArrayEquals(new float[] {2, 4, 8, 10}, view.mul(2).toFloats());
      }
      assertArrayEquals(new float[] {1, 2, 4, 5}, view.toFloats());
    }
  }
}
