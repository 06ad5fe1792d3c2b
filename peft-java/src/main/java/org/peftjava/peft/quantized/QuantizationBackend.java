package org.peftjava.peft.quantized;

import java.util.Optional;
import org.peftjava.quant.bnb.Linear4bit;
import org.peftjava.quant.bnb.Linear8bitLt;
import org.peftjava.torch.nn.Module;

/** Names of kinds of quantized weights. Reference: PEFT {@code utils/quantization_utils.py}. */
public final class QuantizationBackend {
  private QuantizationBackend() {}

  /** The name of a layer's kind, such as "bnb 4bit", if it is quantized. */
  public static Optional<String> name(Module layer) {
    if (layer instanceof Linear4bit) {
      return Optional.of("bnb 4bit");
    }
    return layer instanceof Linear8bitLt ? Optional.of("bnb 8bit") : Optional.empty();
  }
}
