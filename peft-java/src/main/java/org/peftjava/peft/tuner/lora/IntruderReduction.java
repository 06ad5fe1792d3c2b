package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Weakens what a LoRA adapter has added to the first singular vectors of a weight that the weight
 * itself knows nothing of, arXiv:2410.21228. Reference: PEFT {@code lora/intruders.py}; values in
 * golden/intruders. Shapes: W (o, d), also of embeddings, turned around.
 *
 * @param topK how many of the first singular vectors are looked at
 * @param thresholdEpsilon below which likeness to all of the weight's own vectors one is an
 *     intruder
 * @param mitigationLambda what an intruder is multiplied by
 */
public record IntruderReduction(int topK, double thresholdEpsilon, double mitigationLambda) {
  /** Checks the ranges. */
  public IntruderReduction {
    if (topK < 1) {
      throw new IllegalArgumentException("topK must be 1 or more, got " + topK + ".");
    }
    if (!Double.isFinite(thresholdEpsilon) || !Double.isFinite(mitigationLambda)) {
      throw new IllegalArgumentException(
          "thresholdEpsilon and mitigationLambda must be finite, got "
              + thresholdEpsilon
              + " and "
              + mitigationLambda
              + ".");
    }
  }

  /**
   * Throws unless an adapter can be changed so: LoRA itself, in layers that nothing is merged into.
   */
  public static void check(TunedModel model, String adapter) {
    model.adapters().checkKnown(List.of(adapter));
    if (!model.adapters().merged().isEmpty()) {
      throw new IllegalStateException(
          "Adapters "
              + model.adapters().merged()
              + " are merged, so that the weights are not the base's. Unmerge them first.");
    }
    if (!(model.configs().get(adapter) instanceof LoraConfig)) {
      throw new IllegalArgumentException("\"" + adapter + "\" is no LoRA adapter.");
    }
    model
        .layers()
        .forEach(
            (path, layer) -> {
              if (layer.adapters().get(adapter) instanceof LoraVariant
                  || layer.adapters().get(adapter) instanceof DoraAdapter) {
                throw new UnsupportedOperationException(
                    "Intruders can be reduced in LoRA itself, but \""
                        + path
                        + "\" has a variant of it in \""
                        + adapter
                        + "\".");
              }
            });
  }

  /**
   * Changes a copy of an adapter.
   *
   * @param copy what the original gives, in other parameters
   * @return the number of intruders for each layer, as Python reports them
   */
  public List<String> change(TunedModel model, String adapter, String copy) {
    List<String> report = new ArrayList<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter from = layer.adapters().get(adapter);
              LayerAdapter to = layer.adapters().get(copy);
              if (from instanceof LowRank source && to instanceof LowRank target) {
                int found = change(layer.original(), source, target);
                report.add(path + (found == 0 ? ": No intruders" : ": Intruders: " + found));
              }
            });
    return report;
  }

  private int change(Module layer, LowRank source, LowRank target) {
    try (TensorScope scope = TensorScope.open("intruders");
        GradMode off = GradMode.noGrad()) {
      Tensor weight =
          layer instanceof LinearLayer linear
              ? linear.denseWeight(DType.FLOAT32)
              : ((EmbeddingLayer) layer).table().tensor().detach().to(DType.FLOAT32).t();
      Tensor a = source.a().tensor();
      Tensor b = source.b().tensor();
      Tensor delta = LoraMath.delta(a, b, source.scaling()).to(DType.FLOAT32);
      LinearAlgebra.Svd own = LinearAlgebra.svd(weight);
      LinearAlgebra.Svd merged = LinearAlgebra.svd(weight.add(delta));
      long[] intruders = intruders(own, merged);
      if (intruders.length > 0) {
        Tensor index = Creation.ofLongs(intruders, intruders.length).to(weight.device());
        Tensor foreign =
            merged
                .u()
                .indexSelect(1, index)
                .mul(merged.s().indexSelect(0, index))
                .matmul(merged.vh().indexSelect(0, index));
        Tensor mitigated = delta.add(foreign, mitigationLambda - 1);
        put(mitigated.div(target.scaling()), a.size(0), target);
      }
      return intruders.length;
    }
  }

  /** Places of the vectors among the first that resemble none of the weight's own. */
  private long[] intruders(LinearAlgebra.Svd own, LinearAlgebra.Svd merged) {
    float[] likeness = merged.u().t().matmul(own.u()).abs().amax(1).toFloats();
    return IntStream.range(0, Math.min(topK, likeness.length))
        .filter(i -> likeness[i] < (float) thresholdEpsilon)
        .asLongStream()
        .toArray();
  }

  /** Gives an adapter the best matrices of a rank for a weight change; more ranks are zero. */
  private static void put(Tensor delta, long rank, LowRank target) {
    LinearAlgebra.Svd svd = LinearAlgebra.svd(delta);
    Tensor root = svd.s().narrow(0, 0, rank).sqrt();
    put(target.a(), svd.vh().narrow(0, 0, rank).mul(root.unsqueeze(1)));
    put(target.b(), svd.u().narrow(1, 0, rank).mul(root));
  }

  private static void put(Parameter parameter, Tensor values) {
    Tensor all = parameter.tensor().detach().fillInPlace(0);
    all.narrow(0, 0, values.size(0)).narrow(1, 0, values.size(1)).copyInPlace(values);
  }
}
