package org.peftjava.transformers.training;

/** The optimizers that the trainer can build itself. */
public enum OptimizerNames {
  /** {@link org.peftjava.torch.optim.AdamW}. */
  ADAMW_TORCH,
  /** {@link org.peftjava.torch.optim.SGD} without momentum, as in transformers. */
  SGD
}
