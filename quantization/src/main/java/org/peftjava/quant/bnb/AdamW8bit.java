package org.peftjava.quant.bnb;

import java.util.Map;
import java.util.Set;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/**
 * AdamW with a state of two bytes a number in place of eight: both moments are kept in 8-bit codes,
 * with a scale for each 256 numbers.
 *
 * <p>{@code m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p += -lr sqrt(1-b2^t)/(1-b1^t) * m /
 * (sqrt(v) + sqrt(1-b2^t) eps); p *= 1 - lr*wd}, in float32, from codes and back. A number whose
 * squared gradient is not finite stays as it is and forgets its moments. A v above 0 never gets the
 * code of 0, unlike in bitsandbytes' CUDA kernels: steps would leap. Small parameters, and those
 * that are named so, have a float32 state.
 *
 * <p>Paper: arXiv:2110.02861. Reference: {@code bitsandbytes.optim.AdamW8bit} and its kernels
 * {@code kOptimizerStatic8bit2StateBlockwise}, {@code kOptimizer32bit2State}; golden/adamw8bit.
 */
public final class AdamW8bit extends BlockwiseAdamW {
  /** Parameters with fewer numbers have a float32 state: {@code min_8bit_size}. */
  public static final long MIN_8BIT_SIZE = 4096;

  /**
   * An optimizer of these parameters.
   *
   * @param parameters their names are the keys of the state dict
   * @param wide names of parameters with a float32 state; transformers has token embeddings so
   */
  public AdamW8bit(Map<String, Parameter> parameters, AdamW.Options options, Set<String> wide) {
    this(parameters, options, wide, false);
  }

  /** The same, on libtorch's operators even where there are native kernels. */
  AdamW8bit(
      Map<String, Parameter> parameters,
      AdamW.Options options,
      Set<String> wide,
      boolean portable) {
    super(parameters, options, wide, ON_DEVICE, portable);
  }
}
