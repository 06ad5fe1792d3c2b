package org.peftjava.peft.tuner.lora;

import java.util.function.BooleanSupplier;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;

/**
 * LoftQ for a weight that is quantized already: A and B become the best approximation of what the
 * quantization has lost.
 *
 * <p>Reference: PEFT {@code loftq_utils.py::replace_lora_weights_loftq}; values in
 * golden/loftq_replaced.
 */
public final class LoftqReplacement {
  private LoftqReplacement() {}

  /** Whether an adapter of a layer is LoRA over a linear layer. */
  public static boolean isFor(AdaptedLayer layer, String adapter) {
    return layer.original() instanceof LinearLayer
        && layer.adapters().get(adapter) instanceof LowRank;
  }

  /**
   * Replaces the values of an adapter.
   *
   * @param weight (o, d) as it was before it was quantized, float32
   * @param keep asked afterwards whether the new values stay
   */
  public static void run(AdaptedLayer layer, String adapter, Tensor weight, BooleanSupplier keep) {
    if (!(layer.original() instanceof LinearLayer linear)
        || !(layer.adapters().get(adapter) instanceof LowRank lora)) {
      throw new IllegalArgumentException("Adapter \"" + adapter + "\" is no LoRA here.");
    }
    try (TensorScope scope = TensorScope.open("loftq");
        GradMode off = GradMode.noGrad()) {
      Tensor beforeA = lora.a().tensor().detach().copy();
      Tensor beforeB = lora.b().tensor().detach().copy();
      Tensor lost = weight.to(beforeA.device()).sub(linear.denseWeight(DType.FLOAT32));
      LoraStart start = LoftqStart.lowRank(lost, (int) beforeA.size(0));
      lora.a().copyFrom(start.a());
      lora.b().copyFrom(start.b());
      if (!keep.getAsBoolean()) {
        lora.a().copyFrom(beforeA);
        lora.b().copyFrom(beforeB);
      }
    }
  }
}
