package org.peftjava.peft.tuner.miss;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * MiSS's variant "bat": each block of the weight becomes {@code W' = W + W B + B}.
 *
 * <p>Reference: PEFT {@code tuners/miss/layer.py::MissLinear.get_delta_weight}. Shapes: W is cut
 * into blocks (r, r); B (o/r, r, r), one for each row of blocks. Since the update depends on the
 * weight, the forward pass reads it.
 */
final class BatAdapter implements LayerAdapter {
  private final LinearLayer base;
  private final Parameter block;

  BatAdapter(LinearLayer base, Parameter block) {
    this.base = base;
    this.block = block;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("miss_block", "", block));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor weight = base.denseWeight(block.dtype());
    Tensor delta = joined(change(blocks(weight)), weight);
    return y.to(block.dtype()).add(MatrixOps.linear(x.to(block.dtype()), delta, null));
  }

  @Override
  public Optional<Tensor> weightChange() {
    Tensor weight = base.denseWeight(block.dtype());
    return Optional.of(joined(change(blocks(weight)), weight).detach());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    Tensor wide = weight.to(block.dtype());
    return weight.addInPlace(joined(change(blocks(wide)), wide).to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    Tensor wide = weight.to(block.dtype());
    Tensor b = block.tensor();
    Tensor identity = LinearAlgebra.identity(b.dtype(), b.device(), b.size(-1));
    Tensor before = blocks(wide).sub(b).matmul(LinearAlgebra.inverse(b.add(identity)));
    return joined(before, wide).to(weight.dtype());
  }

  private Tensor change(Tensor blocks) {
    return blocks.matmul(block.tensor()).add(block.tensor());
  }

  /** (o, d) to (d/r, o/r, r, r). */
  private Tensor blocks(Tensor weight) {
    long r = block.shape().get(2);
    return weight.reshape(weight.size(0) / r, r, weight.size(1) / r, r).permute(2, 0, 1, 3);
  }

  private static Tensor joined(Tensor blocks, Tensor like) {
    return blocks.permute(1, 2, 0, 3).reshape(like.shape().toArray());
  }
}
