package org.peftjava.peft.tuner.lora;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.CombinableMethod;
import org.peftjava.peft.tuner.CombinationType;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.TaskArithmetic;
import org.peftjava.peft.tuner.WeightedAdapterOptions;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Several LoRA adapters of a layer made one, whose scaling is 1.
 *
 * <p>Reference: PEFT {@code LoraModel.add_weighted_adapter}; values in golden/weighted_adapters.
 */
final class LoraCombination {
  private static final String TOKENS = "trainable_token_indices";

  private final List<LowRank> sources;
  private final double[] factors;
  private final double[] weights;
  private final WeightedAdapterOptions options;
  private final boolean transposed;

  /**
   * A combination.
   *
   * @param transposed whether the layer stores its weight the other way round, in which values are
   *     removed and cut off
   */
  LoraCombination(
      List<LowRank> sources, double[] weights, WeightedAdapterOptions options, boolean transposed) {
    this.sources = sources;
    this.weights = weights;
    this.options = options;
    this.transposed = transposed;
    factors = new double[weights.length];
    Arrays.setAll(factors, i -> weights[i] * sources.get(i).scaling());
  }

  /** The first config with the combination's rank and targets, and a scaling of 1. */
  static LoraConfig config(List<LoraConfig> configs, WeightedAdapterOptions options) {
    if (configs.stream().anyMatch(LoraConfig::useDora)) {
      throw new UnsupportedOperationException(
          "DoRA adapters cannot be combined: their magnitudes belong to one weight change each.");
    }
    for (String variant : List.of("use_bdlora", "use_qalora", "kasa_config", "arrow_config")) {
      if (configs.stream().anyMatch(config -> config.fields().isSet(variant))) {
        throw new UnsupportedOperationException(
            "Adapters with "
                + ConfigFields.camelCase(variant)
                + " cannot be combined: their weight change is not B A.");
      }
    }
    if (configs.stream().anyMatch(config -> !config.targetParameters().isEmpty())) {
      throw new UnsupportedOperationException(
          "Adapters of parameters (targetParameters) cannot be combined.");
    }
    if (configs.stream().map(LoraConfig::invocationTokens).distinct().count() > 1) {
      throw new IllegalArgumentException(
          "Adapters with different aloraInvocationTokens act for different tokens and cannot be"
              + " combined.");
    }
    int rank = rank(configs.stream().mapToInt(LoraCombination::largestRank).toArray(), options);
    Object targets =
        CombinableMethod.joinedTargets(
            configs.stream().map(LoraConfig::targetModules).toList(), "target_modules");
    LoraConfig result =
        configs
            .get(0)
            .with("r", rank)
            .with("lora_alpha", rank)
            .with("use_rslora", false)
            .with("rank_pattern", Map.of())
            .with("alpha_pattern", Map.of())
            .with("target_modules", targets)
            .with(TOKENS, tokens(configs));
    boolean leavesBase = result.initLoraWeights().toField() instanceof Boolean;
    return leavesBase ? result : result.with("init_lora_weights", true);
  }

  private static @Nullable Object tokens(List<LoraConfig> configs) {
    List<ConfigFields> training =
        configs.stream().map(LoraConfig::fields).filter(fields -> fields.isSet(TOKENS)).toList();
    if (training.size() > 1) {
      throw new UnsupportedOperationException(
          "Adapters that train tokens (trainableTokenIndices) can be combined with others, but not"
              + " with each other.");
    }
    return training.isEmpty() ? null : training.get(0).get(TOKENS);
  }

  private static int largestRank(LoraConfig config) {
    return config.rankPattern().values().stream()
        .mapToInt(Number::intValue)
        .reduce(config.r(), Math::max);
  }

  private static int rank(int[] ranks, WeightedAdapterOptions options) {
    CombinationType type = options.combinationType();
    if (type == CombinationType.CAT) {
      return Arrays.stream(ranks).sum();
    }
    int largest = Arrays.stream(ranks).max().orElseThrow();
    if (type.isSvd()) {
      return options.svdRank().orElse(largest);
    }
    checkEqual(ranks, type);
    return largest;
  }

  private static void checkEqual(int[] ranks, CombinationType type) {
    if (Arrays.stream(ranks).distinct().count() > 1) {
      throw new IllegalArgumentException(
          "combinationType "
              + type.pythonName()
              + " combines A and B each for itself, so all ranks must be equal, got "
              + Arrays.toString(ranks)
              + ". Use cat, or one that ends in svd.");
    }
  }

  /** Gives the new adapter its values; rows and columns beyond what is known are zero. */
  void fill(LowRank target) {
    if (options.combinationType() == CombinationType.CAT) {
      List<Tensor> a = each(LowRank::a);
      put(target.a(), Creation.cat(scaled(a, factors), 0));
      put(target.b(), Creation.cat(each(LowRank::b), 1));
    } else if (options.combinationType().isSvd()) {
      decompose(target);
    } else {
      combineApart(target);
    }
    combineBiases(target);
  }

  /** The root of each factor on either side, its sign on A's. */
  private void combineApart(LowRank target) {
    checkEqual(
        sources.stream().mapToInt(source -> (int) source.a().tensor().size(0)).toArray(),
        options.combinationType());
    double[] ofB = Arrays.stream(factors).map(factor -> Math.sqrt(Math.abs(factor))).toArray();
    double[] ofA = ofB.clone();
    Arrays.setAll(ofA, i -> factors[i] >= 0 ? ofB[i] : -ofB[i]);
    put(target.a(), TaskArithmetic.combine(each(LowRank::a), ofA, options));
    put(target.b(), TaskArithmetic.combine(each(LowRank::b), ofB, options));
  }

  /** Singular values and vectors of the combined weight change, (o, d). */
  private void decompose(LowRank target) {
    List<Tensor> deltas =
        sources.stream()
            .map(s -> turned(LoraMath.delta(s.a().tensor(), s.b().tensor(), s.scaling())))
            .toList();
    LinearAlgebra.Svd svd =
        LinearAlgebra.svd(turned(TaskArithmetic.combine(deltas, weights, options)));
    long rank = Math.min(target.a().tensor().size(0), svd.s().size(0));
    Tensor u = svd.u().narrow(1, 0, rank).mul(svd.s().narrow(0, 0, rank));
    Tensor vh = svd.vh().narrow(0, 0, rank);
    Tensor signs = signs(vh);
    u = u.mul(signs.t());
    vh = vh.mul(signs);
    if (options.svdClamp().isPresent()) {
      double limit = quantile(u, vh, options.svdClamp().getAsDouble());
      u = clamped(u, limit);
      vh = clamped(vh, limit);
    }
    put(target.a(), vh);
    put(target.b(), u);
  }

  /** What makes the largest part of each row positive: the signs of singular vectors are free. */
  private static Tensor signs(Tensor vh) {
    return Ops.sign(vh.gather(1, vh.abs().argmax(1).unsqueeze(1)));
  }

  private Tensor turned(Tensor delta) {
    return transposed ? delta.t() : delta;
  }

  /** Biases of B add up as the weight changes do. */
  private void combineBiases(LowRank target) {
    if (target instanceof LoraAdapter adapter && adapter.bias().isPresent()) {
      Tensor sum = adapter.bias().get().tensor().detach().fillInPlace(0);
      for (int i = 0; i < factors.length; i++) {
        double factor = factors[i];
        Optional<Parameter> bias = ((LoraAdapter) sources.get(i)).bias();
        bias.ifPresent(values -> sum.addInPlace(values.tensor().detach().to(sum.dtype()), factor));
      }
    }
  }

  /** The value below which a share of all elements lies, interpolated as in torch.quantile. */
  private static double quantile(Tensor u, Tensor vh, double share) {
    float[] values = Creation.cat(List.of(u.reshape(-1), vh.reshape(-1)), 0).toFloats();
    Arrays.sort(values);
    double place = share * (values.length - 1);
    int below = (int) Math.floor(place);
    int above = Math.min(below + 1, values.length - 1);
    return values[below] + (place - below) * (values[above] - values[below]);
  }

  /** Values within [-limit, limit]; all are the limit if it is negative, as in torch.clamp. */
  private static Tensor clamped(Tensor x, double limit) {
    Tensor high = Creation.full(x.dtype(), limit, 1).to(x.device());
    Tensor low = high.neg();
    Tensor raised = Ops.where(x.lt(low), low, x);
    return Ops.where(high.lt(raised), high, raised);
  }

  private List<Tensor> each(Function<LowRank, Parameter> part) {
    return sources.stream()
        .map(source -> part.apply(source).tensor().detach().to(DType.FLOAT32))
        .toList();
  }

  private static List<Tensor> scaled(List<Tensor> tensors, double[] factors) {
    Tensor[] result = new Tensor[factors.length];
    Arrays.setAll(result, i -> tensors.get(i).mul(factors[i]));
    return List.of(result);
  }

  /** Copies values into the first rows and columns, zeros into the others. */
  private static void put(Parameter parameter, Tensor values) {
    Tensor all = parameter.tensor().detach().fillInPlace(0);
    all.narrow(0, 0, values.size(0)).narrow(1, 0, values.size(1)).copyInPlace(values);
  }
}
