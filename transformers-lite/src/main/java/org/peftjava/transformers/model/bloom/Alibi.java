package org.peftjava.transformers.model.bloom;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.BackboneInput;

/**
 * Attention with linear biases: each head adds its slope times a key's position to the scores. As
 * softmax does not mind what all keys share, the key's position stands for the distance.
 *
 * <p>Paper: arXiv:2108.12409. Reference: {@code build_alibi_tensor}.
 */
final class Alibi {
  private final float[] slopes;

  Alibi(int heads) {
    slopes = slopes(heads);
  }

  /** Slopes of a power of two of heads, then every other one of those of twice as many. */
  private static float[] slopes(int heads) {
    int power = Integer.highestOneBit(heads);
    float[] result = new float[heads];
    try (TensorScope scope = TensorScope.open("slopes")) {
      System.arraycopy(powers(power, 1, power), 0, result, 0, power);
      int rest = heads - power;
      System.arraycopy(powers(2 * power, 2, rest), 0, result, power, rest);
    }
    return result;
  }

  /** The slope of all of {@code heads} heads to the powers 1, 1 + step, ... */
  private static float[] powers(int heads, int step, int count) {
    float[] exponents = new float[count];
    for (int i = 0; i < count; i++) {
      exponents[i] = 1f + i * step;
    }
    double log2 = Math.log((double) heads) / Math.log(2);
    float base = (float) Math.pow(2, -Math.pow(2, -(log2 - 3)));
    return count == 0 ? exponents : Ops.pow(base, Creation.ofFloats(exponents, count)).toFloats();
  }

  /** The bias (b or 1, heads, 1, s) of all tokens so far; owned by the current scope. */
  Tensor bias(BackboneInput input, DType dtype, Device device) {
    try (TensorScope scope = TensorScope.open("alibi")) {
      Tensor mask = input.attentionMask();
      Tensor positions =
          mask == null
              ? Creation.arange(0, input.pastLength() + input.tokens(), device).unsqueeze(0)
              : mask.cumsum(1).add(-1).mul(mask);
      Tensor perHead = Creation.ofFloats(slopes, 1, slopes.length, 1, 1).to(device);
      Tensor perKey = positions.to(DType.FLOAT32).unsqueeze(1).unsqueeze(1);
      return scope.keep(perHead.mul(perKey).to(dtype));
    }
  }
}
