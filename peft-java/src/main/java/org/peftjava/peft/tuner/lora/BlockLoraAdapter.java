package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * LoRA over a linear layer with a block-diagonal A or B, of which only the blocks are kept and
 * computed: {@code y = base(x) + s B(A(drop(x)))}.
 *
 * <p>Reference: PEFT {@code lora/variants.py::BdLoraLinearVariant, BlockDiagonalLinear}; values in
 * golden/tuner_bdlora. Shapes: x (..., d), y (..., o), a matrix (rows, columns / blocks).
 */
final class BlockLoraAdapter implements LayerAdapter, ScaledAdapter {
  private final Blocks a;
  private final Blocks b;
  private final double initialScaling;
  private final double dropout;
  private double scaling;

  /**
   * A matrix of blocks along the diagonal, one below the other.
   *
   * @param weight (rows, columns / count)
   * @param count of blocks; 1 for a matrix without zeros
   */
  record Blocks(Parameter weight, int count) {
    /** (n, columns) to (n, rows). */
    Tensor times(Tensor x) {
      Tensor w = weight.tensor();
      if (count == 1) {
        return MatrixOps.linear(x, w, null);
      }
      long n = x.size(0);
      Tensor parts = x.reshape(n, count, -1).transpose(0, 1); // (blocks, n, columns of one)
      Tensor blocks = w.reshape(count, -1, w.size(1)).transpose(1, 2);
      return parts.matmul(blocks).transpose(0, 1).reshape(n, w.size(0));
    }

    /** The whole matrix (rows, columns), outside the graph. */
    Tensor dense() {
      Tensor w = weight.tensor().detach();
      if (count == 1) {
        return w;
      }
      long rows = w.size(0) / count;
      List<Tensor> bands = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        Tensor band = Creation.zeros(w.dtype(), w.device(), rows, w.size(1) * count);
        band.narrow(1, i * w.size(1), w.size(1)).copyInPlace(w.narrow(0, i * rows, rows));
        bands.add(band);
      }
      return Creation.cat(bands, 0);
    }
  }

  BlockLoraAdapter(Blocks a, Blocks b, double scaling, double dropout) {
    this.a = a;
    this.b = b;
    this.scaling = scaling;
    this.initialScaling = scaling;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("lora_A", "weight", a.weight()), new Weight("lora_B", "weight", b.weight()));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    DType type = a.weight().dtype();
    Tensor input = x.to(type).reshape(-1, x.size(-1));
    if (training && dropout > 0) {
      input = Dropouts.dropout(input, dropout);
    }
    Tensor update = b.times(a.times(input)).mul(scaling);
    return y.to(type).add(update.reshape(y.shape().toArray()));
  }

  private Tensor delta() {
    return LoraMath.delta(a.dense(), b.dense(), scaling);
  }

  @Override
  public Optional<Tensor> weightChange() {
    return Optional.of(delta());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(delta().to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(delta().to(weight.dtype()), 1);
  }

  @Override
  public double scaling() {
    return scaling;
  }

  @Override
  public void scaling(double value) {
    scaling = value;
  }

  @Override
  public double initialScaling() {
    return initialScaling;
  }
}
