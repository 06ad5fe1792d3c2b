package org.peftjava.transformers.model;

import java.util.List;
import java.util.OptionalDouble;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * The angle by which each pair of elements turns from one position to the next, for every way of
 * stretching a model to longer sequences than it was trained on.
 *
 * <p>Reference: transformers' {@code modeling_rope_utils.py}, in its float32 arithmetic. Papers:
 * RoPE arXiv:2104.09864, YaRN arXiv:2309.00071, LongRoPE arXiv:2402.13753.
 *
 * @param angles (r / 2), radians per position
 * @param attentionScaling what sines and cosines are multiplied with
 */
record RopeFrequencies(List<Float> angles, double attentionScaling) {
  private static final int BETA_FAST = 32;

  /** Fails if settings that the type needs are missing, or give no angles. */
  static void check(RopeParameters rope) {
    of(rope, 1).check(rope.values());
    if (rope.type().equals("longrope")) {
      of(rope, beyond(rope)).check(rope.values());
    }
  }

  /** The first length for which longrope has other angles. */
  static long beyond(RopeParameters rope) {
    return (long) Math.floor(rope.original()) + 1;
  }

  private void check(ConfigJson values) {
    boolean finite = Double.isFinite(attentionScaling);
    for (float angle : angles) {
      finite &= Float.isFinite(angle);
    }
    if (!finite) {
      throw new InvalidFileException(
          values.source(),
          "the rope settings "
              + values.toNode()
              + " give angles that are no numbers: "
              + angles
              + ", scaled by "
              + attentionScaling
              + ". Correct them: rope_theta and factor should be above 0.");
    }
  }

  /** The angles for a sequence of this length. */
  static RopeFrequencies of(RopeParameters rope, long length) {
    return switch (rope.type()) {
      case "linear" -> linear(rope);
      case "dynamic" -> plain(dynamicTheta(rope, length), rope.dim());
      case "yarn" -> yarn(rope);
      case "longrope" -> longrope(rope, length);
      case "llama3" -> llama3(rope);
      default -> plain(rope.theta(), rope.dim());
    };
  }

  private static RopeFrequencies plain(double theta, int dim) {
    return of(inverse(powers(theta, dim)), 1);
  }

  private static RopeFrequencies linear(RopeParameters rope) {
    float factor = (float) rope.factor();
    float[] angles = inverse(powers(rope.theta(), rope.dim()));
    for (int i = 0; i < angles.length; i++) {
      angles[i] /= factor;
    }
    return of(angles, 1);
  }

  /** NTK scaling: the base grows with the sequence. */
  private static double dynamicTheta(RopeParameters rope, long length) {
    double factor = rope.factor();
    double longest = Math.max(length, rope.maxPositions());
    double growth = factor * longest / rope.maxPositions() - (factor - 1);
    return rope.theta() * Math.pow(growth, rope.dim() / (rope.dim() - 2.0));
  }

  private static RopeFrequencies yarn(RopeParameters rope) {
    double factor = rope.factorOrRatio();
    double fast = rope.findNonZero("beta_fast").orElse(BETA_FAST);
    double slow = rope.findNonZero("beta_slow").orElse(1);
    double low = turningDim(rope, fast);
    double high = turningDim(rope, slow);
    if (rope.values().getBoolean("truncate", true)) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, rope.dim() - 1.0);
    if (low == high) {
      high += 0.001;
    }
    float[] powers = powers(rope.theta(), rope.dim());
    float[] angles = new float[powers.length];
    for (int i = 0; i < angles.length; i++) {
      float ramp = Math.min(1, Math.max(0, (i - (float) low) / (float) (high - low)));
      float kept = 1 - ramp;
      float stretched = 1 / ((float) factor * powers[i]);
      angles[i] = stretched * (1 - kept) + 1 / powers[i] * kept;
    }
    return of(angles, rope.find("attention_factor").orElseGet(() -> yarnScaling(rope, factor)));
  }

  /** The element that turns so many times over the original sequence. */
  private static double turningDim(RopeParameters rope, double turns) {
    double length = rope.original() / (turns * 2 * Math.PI);
    double dim = rope.dim() * Math.log(length) / (2 * Math.log(rope.theta()));
    if (!Double.isFinite(dim)) {
      throw rope.values()
          .invalid(
              RopeParameters.ORIGINAL,
              "which with rope_theta "
                  + rope.theta()
                  + " gives no angles for "
                  + turns
                  + " turns. Expected numbers above 0, and another rope_theta than 1.");
    }
    return dim;
  }

  private static double yarnScaling(RopeParameters rope, double factor) {
    OptionalDouble mscale = rope.findNonZero("mscale");
    OptionalDouble allDim = rope.findNonZero("mscale_all_dim");
    return mscale.isPresent() && allDim.isPresent()
        ? yarnScale(factor, mscale.getAsDouble()) / yarnScale(factor, allDim.getAsDouble())
        : yarnScale(factor, 1);
  }

  private static double yarnScale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  }

  /** A stretch of its own for each angle, and another beyond the original length. */
  private static RopeFrequencies longrope(RopeParameters rope, long length) {
    List<Double> stretch = rope.perAngle(length > rope.original() ? "long_factor" : "short_factor");
    float[] powers = powers(rope.theta(), rope.dim());
    float[] angles = new float[powers.length];
    for (int i = 0; i < angles.length; i++) {
      angles[i] = 1 / (stretch.get(i).floatValue() * powers[i]);
    }
    double factor = rope.factorOrRatio();
    double scaling = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(rope.original()));
    return of(angles, rope.find("attention_factor").orElse(scaling));
  }

  /** Slow angles are divided by the factor, fast ones stay, those between are blended. */
  private static RopeFrequencies llama3(RopeParameters rope) {
    float factor = (float) rope.factor();
    double low = rope.number("low_freq_factor");
    double high = rope.number("high_freq_factor");
    double original = rope.original();
    float[] angles = inverse(powers(rope.theta(), rope.dim()));
    for (int i = 0; i < angles.length; i++) {
      float wavelength = (float) (2 * Math.PI) / angles[i];
      if (wavelength > (float) (original / low)) {
        angles[i] /= factor;
      } else if (wavelength >= (float) (original / high)) {
        float smooth = ((float) original / wavelength - (float) low) / (float) (high - low);
        angles[i] = (1 - smooth) * angles[i] / factor + smooth * angles[i];
      }
    }
    return of(angles, 1);
  }

  /** {@code theta^(2 i / dim)}. */
  private static float[] powers(double theta, int dim) {
    try (TensorScope scope = TensorScope.open("rope powers")) {
      float[] exponents = new float[dim / 2];
      for (int i = 0; i < exponents.length; i++) {
        exponents[i] = 2f * i / dim;
      }
      return Ops.pow(theta, Creation.ofFloats(exponents, exponents.length)).toFloats();
    }
  }

  private static float[] inverse(float[] values) {
    float[] result = new float[values.length];
    for (int i = 0; i < result.length; i++) {
      result[i] = 1 / values[i];
    }
    return result;
  }

  private static RopeFrequencies of(float[] angles, double attentionScaling) {
    Float[] boxed = new Float[angles.length];
    for (int i = 0; i < boxed.length; i++) {
      boxed[i] = angles[i];
    }
    return new RopeFrequencies(List.of(boxed), attentionScaling);
  }

  /** The rotations to these positions, float32 (b or 1, t): owned by the current scope. */
  Rotation at(Tensor positions, DType dtype) {
    try (TensorScope scope = TensorScope.open("rotation")) {
      float[] perPosition = new float[angles.size()];
      for (int i = 0; i < perPosition.length; i++) {
        perPosition[i] = angles.get(i);
      }
      Tensor step = Creation.ofFloats(perPosition, perPosition.length).to(positions.device());
      Tensor turned = positions.unsqueeze(1).unsqueeze(-1).mul(step);
      Tensor cos = Ops.cos(turned);
      Tensor sin = Ops.sin(turned);
      return new Rotation(
          scope.keep(scaled(Creation.cat(List.of(cos, cos), -1)).to(dtype)),
          scope.keep(scaled(Creation.cat(List.of(sin.neg(), sin), -1)).to(dtype)));
    }
  }

  private Tensor scaled(Tensor x) {
    return attentionScaling == 1 ? x : x.mul(attentionScaling);
  }
}
