package org.peftjava.transformers.training;

import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * A loss in place of the model's own, such as one that gives classes weights; used in training and
 * in evaluations. Penalties of adapters (AdaLoRA) are not part of it.
 */
@FunctionalInterface
public interface ComputeLossFunc {
  /**
   * The loss of a batch, one number that can be differentiated.
   *
   * @param outputs what the model gave, with logits
   * @param batch what it was given, with labels
   * @param numItemsInBatch what the sum over the batch is divided by: the labels that count in all
   *     batches of the optimizer's step; 1 in an evaluation, which wants the sum
   */
  Tensor loss(ModelOutput outputs, TokenBatch batch, double numItemsInBatch);
}
