package org.peftjava.peft.tuner;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects what methods of LyCORIS have in common. Reference: PEFT {@code
 * tuners/lycoris_utils.py::LycorisConfig}.
 *
 * @param <B> the builder itself
 */
public abstract class LycorisConfigBuilder<B extends LycorisConfigBuilder<B>>
    extends LayerConfigBuilder<B> {
  /** Starts from these values of adapter_config.json. */
  protected LycorisConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  /** Rank of the factors; 8. */
  public final B r(int value) {
    return set("r", value);
  }

  /** Numerator of the scaling alpha/r; 8. */
  public final B alpha(double value) {
    return set("alpha", value);
  }

  /** Probability of dropping an output row of the update in training; 0. */
  public final B rankDropout(double value) {
    return set("rank_dropout", value);
  }

  /** Probability of leaving the update out of a training step; 0. */
  public final B moduleDropout(double value) {
    return set("module_dropout", value);
  }

  /** For convolutions, which no model here has; kept in the file. */
  public final B useEffectiveConv2d(boolean value) {
    return set("use_effective_conv2d", value);
  }

  /** Ranks for modules whose path ends with a match of the pattern. */
  public final B rankPattern(Map<String, Integer> value) {
    return set("rank_pattern", value);
  }

  /** Alphas, as rankPattern. */
  public final B alphaPattern(Map<String, ? extends Number> value) {
    return set("alpha_pattern", value);
  }
}
