package org.peftjava.torch;

import org.bytedeco.pytorch.global.torch;

/** Dropout as an operator. */
public final class Dropouts {
  private Dropouts() {}

  /**
   * Sets each element to zero with probability {@code p} and scales the others by {@code 1/(1-p)}.
   *
   * @param p in [0, 1); 0 returns x itself
   */
  public static Tensor dropout(Tensor x, double p) {
    return p == 0 ? x : Natives.op(() -> torch.dropout(x.handle(), p, true));
  }
}
