package org.peftjava.transformers.training;

/** The optimizers that the trainer can build itself. */
public enum OptimizerNames {
  /** {@link org.peftjava.torch.optim.AdamW}. */
  ADAMW_TORCH,
  /** {@link org.peftjava.quant.bnb.AdamW8bit}: a state of two bytes a number. */
  ADAMW_8BIT,
  /** The same under its older name. */
  ADAMW_BNB_8BIT,
  /**
   * {@link org.peftjava.quant.bnb.PagedAdamW8bit}: the same steps, with a state that a card's
   * driver moves to the host when the card is full. On the CPU there is no difference.
   */
  PAGED_ADAMW_8BIT,
  /**
   * {@link org.peftjava.quant.bnb.PagedAdamW32bit}: paged too, with a float32 state of eight bytes
   * a number; the weight decays after the step.
   */
  PAGED_ADAMW_32BIT,
  /**
   * {@link org.peftjava.torch.optim.SGD}, without momentum unless {@code optimArgs} says otherwise:
   * momentum, dampening, nesterov.
   */
  SGD,
  /** {@link #ADAMW_TORCH}, whose steps are one kernel here wherever there is one. */
  ADAMW_TORCH_FUSED,
  /**
   * {@link org.peftjava.torch.optim.Adafactor} with the learning rate of the arguments, not scaled
   * by parameters, as in transformers.
   */
  ADAFACTOR,
  /** {@link org.peftjava.torch.optim.Adagrad}; {@code optimArgs} may hold lr_decay and eps. */
  ADAGRAD,
  /**
   * {@link org.peftjava.torch.optim.RMSprop}; {@code optimArgs} may hold momentum, alpha, eps and
   * centered.
   */
  RMSPROP
}
