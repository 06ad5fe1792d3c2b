package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * LoRA that stands for an adapter of another method, as closely as its rank allows: the first
 * singular values and vectors of each layer's weight change. Its scaling is 1.
 *
 * <p>Reference: PEFT {@code tuners/lora/conversion.py}; values in golden/lora_conversion.
 *
 * @param config of the LoRA adapter
 * @param matrices A (r, d) and B (o, r) by path of the layer, owned by the scope of the conversion
 */
public record LoraConversion(LoraConfig config, Map<String, Factors> matrices) {
  /**
   * The factors of one layer's weight change B A.
   *
   * @param a (r, d)
   * @param b (o, r)
   */
  public record Factors(Tensor a, Tensor b) {
    int rank() {
      return Math.toIntExact(a.size(0));
    }
  }

  /** How many singular values are kept. */
  @FunctionalInterface
  interface Cut {
    /** Their number, given all of them as squares, largest first. */
    int rank(float[] squares);
  }

  /** With this rank in all layers. */
  public static LoraConversion ofRank(TunedModel model, String adapter, int rank) {
    if (rank < 1) {
      throw new IllegalArgumentException("The rank must be 1 or more, got " + rank + ".");
    }
    return of(model, adapter, rank, squares -> rank);
  }

  /** With the smallest rank in each layer that keeps this share of the squared singular values. */
  public static LoraConversion ofShare(TunedModel model, String adapter, double share) {
    if (!(share > 0 && share <= 1)) {
      throw new IllegalArgumentException(
          "The share of the squared singular values must be in (0, 1], got " + share + ".");
    }
    return of(model, adapter, 1, squares -> cut(squares, share));
  }

  private static int cut(float[] squares, double share) {
    float[] sums = new float[squares.length];
    float sum = 0;
    for (int i = 0; i < squares.length; i++) {
      sum += squares[i];
      sums[i] = sum;
    }
    int rank = 0;
    while (rank < sums.length - 1 && sums[rank] < (float) share * sum) {
      rank++;
    }
    return rank + 1;
  }

  private static LoraConversion of(TunedModel model, String adapter, int rank, Cut cut) {
    model.adapters().checkKnown(List.of(adapter));
    Map<String, Factors> matrices = new LinkedHashMap<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter own = layer.adapters().get(adapter);
              if (own != null) {
                matrices.put(path, factors(path, own, cut));
              }
            });
    if (matrices.isEmpty()) {
      throw new IllegalArgumentException(
          "Adapter \"" + adapter + "\" changes no layer that LoRA could change in its place.");
    }
    return new LoraConversion(
        config(Objects.requireNonNull(model.configs().get(adapter)), rank, matrices), matrices);
  }

  private static Factors factors(String path, LayerAdapter adapter, Cut cut) {
    try (TensorScope scope = TensorScope.open("convert layer");
        GradMode off = GradMode.noGrad()) {
      Optional<LowRankUpdate.Matrices> known = adapter.weightFactors();
      if (known.isPresent()) { // whatever rank was asked for, as in Python
        LowRankUpdate.Matrices exact = known.get();
        return new Factors(scope.keep(exact.a().copy()), scope.keep(exact.b().copy()));
      }
      Tensor delta =
          adapter
              .weightChange()
              .orElseThrow(
                  () ->
                      new UnsupportedOperationException(
                          "The adapter of layer \""
                              + path
                              + "\" does more than to add to the weight of a linear layer, so LoRA"
                              + " cannot stand for it."));
      LinearAlgebra.Svd svd = LinearAlgebra.svd(delta.to(DType.FLOAT32));
      int rank = cut.rank(svd.s().pow(2).toFloats());
      if (rank > svd.s().numel()) {
        throw new IllegalArgumentException(
            "Rank "
                + rank
                + " is more than the weight of layer \""
                + path
                + "\" can have, "
                + svd.s().numel()
                + ".");
      }
      Tensor b = svd.u().narrow(1, 0, rank).mul(svd.s().narrow(0, 0, rank));
      return new Factors(
          scope.keep(svd.vh().narrow(0, 0, rank).to(delta.dtype()).copy()),
          scope.keep(b.to(delta.dtype()).copy()));
    }
  }

  private static LoraConfig config(TunerConfig of, int rank, Map<String, Factors> matrices) {
    Map<String, Integer> ranks = new LinkedHashMap<>();
    List<String> named = new ArrayList<>();
    TargetModules targets = TargetModules.ofField(of.fields(), "target_modules");
    if (targets instanceof TargetModules.Names names) {
      named.addAll(names.names());
    }
    matrices.forEach(
        (path, factors) -> {
          if (factors.rank() != rank || !(targets instanceof TargetModules.Names)) {
            ranks.put(path, factors.rank());
          } else {
            named.add(path);
          }
        });
    LoraConfigBuilder builder =
        LoraConfig.builder()
            .r(rank)
            .loraAlpha(rank)
            .targetModules(
                targets instanceof TargetModules.Names ? TargetModules.names(named) : targets)
            .rankPattern(ranks)
            .alphaPattern(ranks);
    if (!of.modulesToSave().isEmpty()) {
      builder.modulesToSave(of.modulesToSave().toArray(String[]::new));
    }
    of.taskType().ifPresent(builder::taskType);
    of.baseModelNameOrPath().ifPresent(builder::baseModelNameOrPath);
    LoraConfig config = builder.build();
    for (String field : List.of("layers_to_transform", "layers_pattern")) {
      if (of.fields().isSet(field)) {
        config = config.with(field, of.fields().get(field));
      }
    }
    return config;
  }
}
