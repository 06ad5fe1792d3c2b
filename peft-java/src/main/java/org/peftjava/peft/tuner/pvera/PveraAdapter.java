package org.peftjava.peft.tuner.pvera;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Checkpoint;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * PVeRA over a linear layer: {@code (m, v) = d * (A drop(x))}, {@code y = base(x) + b * (B (m + e
 * exp(v/2)))} with normal numbers e while training, else without them.
 *
 * <p>Reference: PEFT {@code tuners/pvera/layer.py::Linear}. Shapes: A (2 r, D) and B (O, r) are
 * shared by all layers and frozen; a layer takes the first columns of A and the first o rows of B.
 * Trained are d (2 r) and b (o).
 */
final class PveraAdapter implements LayerAdapter {
  private final Parameter a;
  private final Parameter b;
  private final Parameter inner;
  private final Parameter outer;
  private final long in;
  private final double dropout;
  private final boolean samplesAlways;
  private final Optional<SeededRandom> random;

  /**
   * Of one layer.
   *
   * @param a shared A
   * @param b shared B
   * @param inner d, of the low-rank features
   * @param outer b, of the outputs
   */
  PveraAdapter(
      Parameter a, Parameter b, Parameter inner, Parameter outer, long in, PveraConfig config) {
    this.a = a;
    this.b = b;
    this.inner = inner;
    this.outer = outer;
    this.in = in;
    dropout = config.pveraDropout();
    samplesAlways = config.sampleAtInference();
    random =
        config.generatorSeed().isPresent()
            ? Optional.of(new SeededRandom(config.generatorSeed().getAsInt()))
            : Optional.empty();
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("pvera_lambda_b", "", outer), new Weight("pvera_lambda_d", "", inner));
  }

  private long rank() {
    return b.shape().get(1);
  }

  /** The first rows of A, as many as asked for. */
  private Tensor low(long rows) {
    return a.tensor().narrow(0, 0, rows).narrow(1, 0, in).to(inner.dtype()).contiguous();
  }

  /** B, scaled by b. */
  private Tensor high() {
    Tensor rows = b.tensor().narrow(0, 0, outer.numel()).to(inner.dtype());
    return rows.mul(outer.tensor().reshape(-1, 1));
  }

  /** B, scaled by b and by the means' part of d. */
  private Tensor meanHigh() {
    return high().mul(inner.tensor().narrow(0, 0, rank()));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    if (!training && !samplesAlways) {
      return LowRankUpdate.add(y, x, low(rank()), meanHigh(), 1, 0);
    }
    DType type = inner.dtype();
    Tensor given = x.to(type);
    Tensor kept = training ? Dropouts.dropout(given, dropout) : given;
    Tensor features = MatrixOps.linear(kept, low(2 * rank()), null).mul(inner.tensor());
    Tensor mean = features.narrow(-1, 0, rank());
    Tensor deviation = features.narrow(-1, rank(), rank()).mul(0.5).exp();
    Tensor drawn = mean.add(deviation.mul(noise(deviation)));
    return y.to(type).add(MatrixOps.linear(drawn, high(), null));
  }

  private Tensor noise(Tensor like) {
    Tensor result = Creation.empty(like.dtype(), like.device(), like.shape().toArray());
    if (random.isEmpty()) {
      return result.normalInPlace(0, 1);
    }
    if (Checkpoint.isSecondRun()) {
      throw new IllegalStateException(
          "PVeRA with a generatorSeed would draw other numbers where gradient checkpointing runs"
              + " layers again. Leave generatorSeed out, or switch gradient checkpointing off.");
    }
    Tensor drawn = Creation.empty(DType.FLOAT32, Device.CPU, like.shape().toArray());
    return random.get().normal(drawn, 0, 1).to(like.dtype()).to(like.device());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(meanHigh().matmul(low(rank())).to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(meanHigh().matmul(low(rank())).to(weight.dtype()), 1);
  }
}
