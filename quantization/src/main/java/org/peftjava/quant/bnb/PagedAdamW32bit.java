package org.peftjava.quant.bnb;

import java.util.Map;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/**
 * {@link PagedAdamW8bit} with a float32 state: bitsandbytes' AdamW, where the weight decays after
 * the step.
 *
 * <p>Reference: {@code bitsandbytes.optim.PagedAdamW32bit}, and {@code PagedAdamW} with its default
 * of 32 bits.
 */
public final class PagedAdamW32bit extends BlockwiseAdamW {
  /**
   * An optimizer of these parameters.
   *
   * @param parameters their names are the keys of the state dict
   */
  public PagedAdamW32bit(Map<String, Parameter> parameters, AdamW.Options options) {
    super(parameters, options, parameters.keySet(), PAGED, false);
  }
}
