package org.peftjava.peft.tuner.miss;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * MiSS over a linear layer: {@code y = base(x) + s B}, with s the sum of the blocks of r features
 * that x consists of; the last block may be shorter.
 *
 * <p>Paper: arXiv:2409.15371. Reference: PEFT {@code tuners/miss/layer.py::MissLinear}. Shapes: B
 * (r, o), or (r, m) in "mini", where it is repeated over the outputs.
 */
final class MissAdapter extends DeltaAdapter {
  private final Parameter block;
  private final long in;
  private final long out;
  private final double dropout;

  MissAdapter(Parameter block, long in, long out, double dropout) {
    this.block = block;
    this.in = in;
    this.out = out;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("miss_block", "", block));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor wide = Dropouts.dropout(x.to(block.dtype()), training ? dropout : 0);
    Tensor update = sumOfBlocks(wide.reshape(-1, in)).matmul(block.tensor()); // (n, m)
    long m = update.size(-1);
    Tensor sum =
        m == out
            ? y.to(block.dtype()).reshape(-1, out).add(update)
            : y.to(block.dtype()).reshape(-1, out / m, m).add(update.unsqueeze(1));
    return sum.reshape(y.shape().toArray());
  }

  /** (n, d) to (n, r). */
  private Tensor sumOfBlocks(Tensor x) {
    long r = block.shape().get(0);
    long whole = in / r;
    Tensor sum = x.narrow(1, 0, whole * r).reshape(-1, whole, r).sum(1);
    long rest = in - whole * r;
    if (rest == 0) {
      return sum;
    }
    Tensor first = sum.narrow(1, 0, rest).add(x.narrow(1, whole * r, rest));
    return Creation.cat(List.of(first, sum.narrow(1, rest, r - rest)), 1);
  }

  /** The sum of the blocks as a matrix, and the block once for each of its repetitions. */
  @Override
  public Optional<LowRankUpdate.Matrices> weightFactors() {
    Tensor block = this.block.tensor().detach();
    long r = block.size(0);
    Tensor identity = LinearAlgebra.identity(block.dtype(), block.device(), r);
    Tensor sums = identity.unsqueeze(1).expand(r, in / r + 1, r).reshape(r, -1).narrow(1, 0, in);
    Tensor repeated = block.t().unsqueeze(0).expand(out / block.size(1), block.size(1), r);
    return Optional.of(new LowRankUpdate.Matrices(sums, repeated.reshape(out, r), 1));
  }

  @Override
  protected Tensor delta(boolean training) {
    long r = block.shape().get(0);
    long m = block.shape().get(1);
    Tensor columns = block.tensor().t(); // (m, r)
    return columns
        .reshape(1, m, 1, r)
        .expand(out / m, m, in / r + 1, r)
        .reshape(out, (in / r + 1) * r)
        .narrow(1, 0, in);
  }
}
