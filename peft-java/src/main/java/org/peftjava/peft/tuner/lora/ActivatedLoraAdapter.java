package org.peftjava.peft.tuner.lora;

import java.util.Optional;
import org.peftjava.torch.Tensor;

/**
 * Activated LoRA over a linear layer: LoRA for the tokens from the last invocation on, and nothing
 * for those before, whose keys and values are therefore the base model's.
 *
 * <p>Paper: arXiv:2504.12397. Reference: PEFT {@code lora/variants.py::ALoraLinearVariant}; values
 * in golden/tuner_alora and golden/alora. The layer gives it only the tokens that it acts for.
 */
final class ActivatedLoraAdapter extends LoraVariant implements LowRank {
  ActivatedLoraAdapter(LoraAdapter lora) {
    super(lora);
  }

  @Override
  public boolean waitsForInvocation() {
    return true;
  }

  @Override
  public Optional<Tensor> weightChange() {
    return Optional.empty();
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
