package org.peftjava.peft.tuner.lily;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Lily over a linear layer: {@code y = base(x) + s h (sum_e p_e B_e)} with {@code h = x A^T}, where
 * p is the mean of {@code softmax(h W^T)} over all tokens of the batch.
 *
 * <p>Reference: PEFT {@code tuners/lily/layer.py::Linear}. Shapes: A (r, d), B (n r, o) of n
 * matrices, router W (n, r). A is shared by some layers that follow each other, B by all of a kind.
 */
final class LilyAdapter implements LayerAdapter {
  private final List<Weight> weights;
  private final Parameter a;
  private final Parameter b;
  private final Parameter router;
  private final double scaling;

  /**
   * Of three weights.
   *
   * @param a A, trained here or tied
   * @param b B, trained here or tied
   */
  LilyAdapter(Weight a, Weight b, Parameter router, double scaling) {
    weights = List.of(a, b, new Weight("lily_router", "weight", router));
    this.a = a.parameter();
    this.b = b.parameter();
    this.router = router;
    this.scaling = scaling;
  }

  @Override
  public List<Weight> weights() {
    return weights;
  }

  /** In files every layer repeats what it shares, as Python writes it. */
  @Override
  public Map<String, AdapterTensor> saved() {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    weights.forEach(weight -> result.put(weight.fileName(), AdapterTensor.of(weight.parameter())));
    return result;
  }

  @Override
  public boolean mixesBatches() {
    return false;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    DType type = a.dtype();
    long r = a.shape().get(0);
    long n = router.shape().get(0);
    Tensor hidden = MatrixOps.linear(x.to(type), a.tensor(), null);
    Tensor shares = Ops.softmax(MatrixOps.linear(hidden, router.tensor(), null), -1).reshape(-1, n);
    Tensor mean = shares.sum(0).div((double) shares.size(0)).unsqueeze(0);
    Tensor mixed = mean.matmul(b.tensor().reshape(n, -1)).reshape(r, -1);
    return y.to(type).add(hidden.matmul(mixed).mul(scaling));
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    throw new UnsupportedOperationException(
        "A Lily adapter changes the weight for each batch otherwise and cannot be merged. Save the"
            + " adapter and load it with the model.");
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight;
  }
}
