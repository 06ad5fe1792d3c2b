package org.peftjava.peft.tuner.lora;

import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.torch.nn.Parameter;

/** An adapter whose weight change is {@code s * B A}, with A (r, d) and B (o, r). */
interface LowRank extends ScaledAdapter {
  /** (r, d). */
  Parameter a();

  /** (o, r). */
  Parameter b();
}
