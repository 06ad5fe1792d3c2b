package org.peftjava.peft.tuner.lora;

import java.util.ServiceLoader;
import org.peftjava.torch.Tensor;

/**
 * What quantization makes of a weight: LoftQ's only view of a weight format. Found through {@link
 * ServiceLoader}.
 */
public interface WeightRounding {
  /**
   * The weight quantized and read back, fresh.
   *
   * @param weight (o, d), float32
   * @param bits 4 (NF4 in blocks of 64) or 8 (one scale for each output feature)
   */
  Tensor rounded(Tensor weight, int bits);

  /** The one that is installed. */
  static WeightRounding installed() {
    return ServiceLoader.load(WeightRounding.class, WeightRounding.class.getClassLoader())
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("No WeightRounding is installed."));
  }
}
