package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * LoRA over a linear layer that does something else in some respect; the rest is LoRA's. One whose
 * weight change is still {@code s * B A} says so with {@link LowRank}.
 */
abstract class LoraVariant implements LayerAdapter, ScaledAdapter {
  private final LoraAdapter lora;

  LoraVariant(LoraAdapter lora) {
    this.lora = lora;
  }

  /** What it is apart from that. */
  final LoraAdapter lora() {
    return lora;
  }

  /** A. */
  public final Parameter a() {
    return lora.a();
  }

  /** B. */
  public final Parameter b() {
    return lora.b();
  }

  /** What it adds to the weight (o, d), outside the graph. */
  Tensor delta() {
    return LoraMath.delta(a().tensor(), b().tensor(), scaling());
  }

  @Override
  public final double scaling() {
    return lora.scaling();
  }

  @Override
  public final void scaling(double value) {
    lora.scaling(value);
  }

  @Override
  public final double initialScaling() {
    return lora.initialScaling();
  }

  @Override
  public List<Weight> weights() {
    return lora.weights();
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return lora.afterBase(x, y, training);
  }

  @Override
  public Optional<Tensor> weightChange() {
    return lora.weightChange();
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
  public final boolean needsBias() {
    return lora.needsBias();
  }

  @Override
  public final Tensor mergedIntoBias(Tensor bias) {
    return lora.mergedIntoBias(bias);
  }

  @Override
  public final Tensor removedFromBias(Tensor bias) {
    return lora.removedFromBias(bias);
  }
}
