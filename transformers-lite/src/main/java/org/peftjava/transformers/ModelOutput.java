package org.peftjava.transformers;

import java.util.Optional;
import org.peftjava.torch.Tensor;

/**
 * What one forward call returns; the tensors belong to the scope that was open at the call.
 *
 * @param loss a float32 scalar, if labels were given
 * @param logits (b, kept positions, vocabulary), if there were no labels or they were asked for
 */
public record ModelOutput(Optional<Tensor> loss, Optional<Tensor> logits) {}
