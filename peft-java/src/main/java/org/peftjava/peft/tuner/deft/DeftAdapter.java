package org.peftjava.peft.tuner.deft;

import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * DEFT over a linear layer: the weight becomes {@code (I - Q N^T) W + s Q R}, where Q and N are
 * {@link Directions} of P; without R for PaRa.
 *
 * <p>Reference: PEFT {@code tuners/deft/layer.py::DeftLinear}, which computes in float32, as this
 * does; values in golden/tuner_deft*. Shapes: P, Q, N (o, r), R (r, d), W (o, d). The change is
 * computed from what the base gave, {@code y + Q (s R x - N^T (y - bias))}, so that W is not
 * needed.
 */
final class DeftAdapter implements LayerAdapter {
  private final LinearLayer layer;
  private final Directions directions;
  private final Parameter p;
  private final @Nullable Parameter r;
  private final double scaling;
  private final double dropout;
  private float @Nullable [] removed; // N^T W of the present merge

  DeftAdapter(
      LinearLayer layer,
      Directions directions,
      Parameter p,
      @Nullable Parameter r,
      double scaling,
      double dropout) {
    this.layer = layer;
    this.directions = directions;
    this.p = p;
    this.r = r;
    this.scaling = scaling;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    Weight first = new Weight("deft_P", "", p);
    return r == null ? List.of(first) : List.of(first, new Weight("deft_R", "", r));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return afterBase(x, y, y, training);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, Tensor base, boolean training) {
    Directions.Projection projection = directions.of(p.tensor());
    Tensor given = base.to(DType.FLOAT32);
    if (layer.bias().isPresent()) {
      given = given.sub(layer.bias().get().tensor().to(DType.FLOAT32));
    }
    Tensor low = given.matmul(projection.right()).neg(); // (..., r)
    if (r != null) {
      Tensor input = x.to(DType.FLOAT32);
      input = training ? Dropouts.dropout(input, dropout) : input;
      low = low.add(MatrixOps.linear(input, injected(r), null));
    }
    return y.to(DType.FLOAT32).add(MatrixOps.linear(low, projection.left(), null));
  }

  private Tensor injected(Parameter matrix) {
    return matrix.tensor().to(DType.FLOAT32).mul(scaling);
  }

  /** N^T W (r, d), outside the graph. */
  private Tensor removed(Tensor weight) {
    return directions.of(p.tensor().detach()).right().t().matmul(weight.to(DType.FLOAT32));
  }

  /** What is added to the weight of which this has been taken out. */
  private Tensor delta(Tensor taken) {
    Tensor low = taken.neg();
    if (r != null) {
      low = low.add(injected(r).detach());
    }
    return directions.of(p.tensor().detach()).left().matmul(low);
  }

  @Override
  public Optional<Tensor> weightChange() {
    return Optional.of(delta(removed(layer.denseWeight(DType.FLOAT32))));
  }

  @Override
  public void prepareMerge(Supplier<Tensor> unmerged) {
    removed = removed(unmerged.get()).toFloats();
  }

  private Tensor mergedDelta(Tensor weight) {
    float[] values = removed;
    if (values == null) {
      throw new IllegalStateException("The adapter is not merged.");
    }
    long rank = p.shape().get(1);
    Tensor taken = Creation.ofFloats(values, rank, values.length / rank).to(weight.device());
    return delta(taken).to(weight.dtype());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(mergedDelta(weight));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(mergedDelta(weight), 1);
  }

  @Override
  public void afterUnmerge() {
    removed = null;
  }
}
