package org.peftjava.peft.tuner.c3a;

import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.torch.nn.Init;

/** How the kernels of C3A start. Reference: PEFT {@code C3ALayer.reset_c3a_parameters}. */
enum C3AInit {
  /** Without effect. */
  ZEROS,
  /** Standard normal. */
  GAUSSIAN,
  /** Uniform within 1/sqrt(d). */
  KAIMING_UNIFORM,
  /** Uniform within sqrt(6 / (d + o)). */
  XAVIER_UNIFORM;

  static C3AInit of(ConfigFields fields) {
    Object value = fields.get("init_weights");
    if (value instanceof Boolean quiet) {
      return quiet ? ZEROS : XAVIER_UNIFORM;
    }
    return switch (String.valueOf(value)) {
      case "gaussian" -> GAUSSIAN;
      case "kaiming_uniform" -> KAIMING_UNIFORM;
      case "xavier_uniform" -> XAVIER_UNIFORM;
      default ->
          throw fields.invalid(
              "init_weights", "must be true, false, gaussian, kaiming_uniform or xavier_uniform");
    };
  }

  /** The values for a layer of d inputs and o outputs. */
  Init init(long d, long o) {
    return switch (this) {
      case ZEROS -> Init.zeros();
      case GAUSSIAN -> Init.normal(1);
      case KAIMING_UNIFORM -> Init.uniform(Math.sqrt(1.0 / d));
      case XAVIER_UNIFORM -> Init.uniform(Math.sqrt(6.0 / (d + o)));
    };
  }
}
