package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/**
 * How far 8-bit AdamW goes where the numbers of a block have gradients of very different sizes: a
 * second moment that became 0 would let it leap.
 */
final class StepLengths {
  private static final long SIZE = 20_000;
  private static final double RATE = 1e-3;

  private StepLengths() {}

  /** Throws unless every step is at most three learning rates long. */
  static void check(boolean portable, UnaryOperator<Tensor> place) {
    Randomness.manualSeed(3);
    AdamW.Options options = new AdamW.Options(RATE, 0.9, 0.98, 1e-8, 0);
    Tensor sizes = Creation.randn(DType.FLOAT32, SIZE).mul(2).exp();
    Parameter parameter = new Parameter(sizes.shape(), DType.FLOAT32, Init.zeros());
    parameter.adopt(place.apply(Creation.zeros(DType.FLOAT32, SIZE)).copy());
    try (AdamW8bit optimizer = new AdamW8bit(Map.of("w", parameter), options, Set.of(), portable)) {
      for (int step = 0; step < 10; step++) {
        Tensor before = parameter.tensor().detach().copy();
        parameter
            .tensor()
            .setGrad(place.apply(Creation.randn(DType.FLOAT32, SIZE).mul(sizes)).copy());
        optimizer.step();
        double longest = parameter.tensor().detach().sub(before).abs().max().toDouble();
        assertTrue(
            longest > 0.5 * RATE && longest < 3 * RATE,
            "step " + step + ": " + longest / RATE + " learning rates");
      }
    }
    parameter.close();
  }
}
