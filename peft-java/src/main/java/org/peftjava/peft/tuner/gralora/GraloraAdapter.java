package org.peftjava.peft.tuner.gralora;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * GraLoRA over a linear layer: k times k blocks of the weight, each with a low-rank update of its
 * own, of rank r/k.
 *
 * <p>Paper: arXiv:2505.20355. Reference: PEFT {@code tuners/gralora/layer.py::Linear}. Shapes: A
 * (k, d/k, r), B (k, r, o/k). Block column n makes r features of its part of x; block row j takes
 * the j-th r/k features of every column. With a hybrid rank h there are also C (h, d) and E (o, h),
 * a plain low-rank update.
 */
final class GraloraAdapter extends DeltaAdapter {
  private final Parameter a;
  private final Parameter b;
  private final @Nullable Hybrid hybrid;
  private final double scaling;
  private final double dropout;

  /**
   * The plain update.
   *
   * @param a C, (h, d)
   * @param b E, (o, h)
   */
  record Hybrid(Parameter a, Parameter b) {}

  GraloraAdapter(
      Parameter a, Parameter b, @Nullable Hybrid hybrid, double scaling, double dropout) {
    this.a = a;
    this.b = b;
    this.hybrid = hybrid;
    this.scaling = scaling;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(new Weight("gralora_A", "", a));
    result.add(new Weight("gralora_B", "", b));
    if (hybrid != null) {
      result.add(new Weight("gralora_A_general", "weight", hybrid.a()));
      result.add(new Weight("gralora_B_general", "weight", hybrid.b()));
    }
    return result;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    double p = training ? dropout : 0;
    Tensor rows = x.to(a.dtype()).reshape(-1, x.size(-1));
    Tensor sum =
        y.to(a.dtype()).reshape(-1, y.size(-1)).add(blocks(Dropouts.dropout(rows, p)), scaling);
    if (hybrid != null) {
      Tensor low = Dropouts.dropout(rows, p).matmul(hybrid.a().tensor().t());
      sum = sum.add(low.matmul(hybrid.b().tensor().t()), scaling);
    }
    return sum.reshape(y.shape().toArray());
  }

  /** The update's output for rows (n, d): (n, o). */
  private Tensor blocks(Tensor rows) {
    long k = a.shape().get(0);
    long r = a.shape().get(2);
    long n = rows.size(0);
    Tensor low = rows.reshape(n, k, -1).transpose(0, 1).matmul(a.tensor()); // (k, n, r)
    Tensor exchanged =
        low.reshape(k, n, k, r / k).permute(2, 1, 0, 3).reshape(k, n, r); // by block row
    return exchanged.matmul(b.tensor()).transpose(0, 1).reshape(n, -1);
  }

  @Override
  protected Tensor delta(boolean training) {
    long in = a.shape().get(0) * a.shape().get(1);
    Tensor all = blocks(LinearAlgebra.identity(a.dtype(), a.tensor().device(), in)).t();
    if (hybrid != null) {
      all = all.add(hybrid.b().tensor().matmul(hybrid.a().tensor()));
    }
    return all.mul(scaling);
  }
}
