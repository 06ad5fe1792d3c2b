package org.peftjava.peft.tuner.lora;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Activated LoRA over a linear layer: LoRA for the tokens from the last invocation on, and nothing
 * for those before, whose keys and values are therefore the base model's.
 *
 * <p>Paper: arXiv:2504.12397. Reference: PEFT {@code lora/variants.py::ALoraLinearVariant}; values
 * in golden/tuner_alora and golden/alora. The layer gives it only the tokens that it acts for.
 */
final class ActivatedLoraAdapter implements LayerAdapter, LowRank {
  private final LoraAdapter lora;

  ActivatedLoraAdapter(LoraAdapter lora) {
    this.lora = lora;
  }

  @Override
  public boolean waitsForInvocation() {
    return true;
  }

  @Override
  public Parameter a() {
    return lora.a();
  }

  @Override
  public Parameter b() {
    return lora.b();
  }

  @Override
  public double scaling() {
    return lora.scaling();
  }

  @Override
  public void scaling(double value) {
    lora.scaling(value);
  }

  @Override
  public double initialScaling() {
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
  public Tensor mergedInto(Tensor weight) {
    throw new UnsupportedOperationException(
        "An activated LoRA acts for some tokens only and cannot be part of a weight. Use it"
            + " unmerged.");
  }

  /** Nothing was merged. */
  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight;
  }
}
