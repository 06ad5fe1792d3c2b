package org.peftjava.peft.tuner.randlora;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * The random matrices that all layers share: A (r, 1, min) and B (max, n, r), as large as the
 * largest layer needs, with n = ceil(min / r).
 *
 * <p>The same seed draws Python's numbers. Reference: PEFT {@code
 * RandLoraModel._init_randlora_A_randlora_B}.
 */
final class RandomBases {
  static final String A = "randlora_A";
  static final String B = "randlora_B";

  private final SeededRandom random;
  private final long r;
  private final long small;
  private final long large;

  private RandomBases(RandLoraConfig config, long small, long large) {
    random = new SeededRandom(config.projectionPrngKey());
    r = config.r();
    this.small = small;
    this.large = large;
  }

  static SharedWeights draw(RandLoraConfig config, Map<String, Module> layers) {
    long in = 0;
    long out = 0;
    for (Module layer : layers.values()) {
      in = Math.max(in, ((LinearLayer) layer).inFeatures());
      out = Math.max(out, ((LinearLayer) layer).outFeatures());
    }
    RandomBases bases = new RandomBases(config, Math.min(in, out), Math.max(in, out));
    Role role = config.saveProjection() ? Role.BUFFER : Role.DERIVED;
    try (TensorScope scope = TensorScope.open("draw bases")) {
      List<Tensor> drawn = bases.matrices(config);
      return new SharedWeights(
          List.of(
              new Weight(A, "", kept(drawn.get(0)), role),
              new Weight(B, "", kept(drawn.get(1)), role)));
    }
  }

  private static Parameter kept(Tensor values) {
    Parameter result = new Parameter(values.shape(), DType.FLOAT32, Init.zeros());
    result.copyFrom(values.div(Ops.std(values)));
    return result;
  }

  private List<Tensor> matrices(RandLoraConfig config) {
    if (config.verySparse()) {
      return sparse(Math.sqrt((double) small));
    }
    return config.sparse() ? sparse(3) : dense();
  }

  private long count() {
    return (small + r - 1) / r;
  }

  private List<Tensor> dense() {
    Tensor a = kaiming(r, small);
    List<Tensor> parts = new ArrayList<>();
    for (long i = 0; i < count(); i++) {
      parts.add(kaiming(large, r));
    }
    return List.of(a, Creation.cat(parts, 1));
  }

  /**
   * {@code torch.nn.init.kaiming_uniform_(a=sqrt(5))} of (rows, 1, fanIn), in Python's steps and
   * its type.
   */
  private Tensor kaiming(long rows, long fanIn) {
    double slope = Math.sqrt(5);
    double gain = Math.sqrt(2 / (1 + slope * slope));
    double bound = Math.sqrt(3) * (gain / Math.sqrt((double) fanIn));
    Tensor drawn = random.uniform(Creation.zeros(DType.FLOAT32, rows, 1, fanIn), -bound, bound);
    Tensor rounded = drawn.to(DType.BFLOAT16);
    double end = Creation.full(DType.BFLOAT16, bound, 1).toDouble();
    return rounded.maskedFill(rounded.eq(end), -end); // the upper bound is not in the range
  }

  private List<Tensor> sparse(double sparsity) {
    Tensor a = random.uniform(Creation.zeros(DType.FLOAT32, r, 1, small), 0, 1);
    Tensor b = random.uniform(Creation.zeros(DType.FLOAT32, large, count(), r), 0, 1);
    return List.of(signs(a, sparsity), signs(b, sparsity));
  }

  /** Small numbers become -1, large ones 1, the rest 0. */
  private static Tensor signs(Tensor uniform, double sparsity) {
    double share = 1 / (2 * sparsity);
    Tensor high = uniform.gt(1 - share).to(DType.FLOAT32);
    return high.sub(uniform.lt(share).to(DType.FLOAT32));
  }
}
