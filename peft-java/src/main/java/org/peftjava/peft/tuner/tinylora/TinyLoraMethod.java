package org.peftjava.peft.tuner.tinylora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.peft.tuner.tinylora.TinyLoraAdapter.Frozen;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** TinyLoRA. Reference: PEFT {@code tuners/tinylora/model.py::TinyLoraModel}. */
public final class TinyLoraMethod extends LayerTunerMethod<TinyLoraConfig> {
  private static final String VECTORS = "tinylora_v";

  /** The method; {@code TunerMethods} has it. */
  public TinyLoraMethod() {
    super("TINYLORA", "TinyLoraModel", "tinylora_", TinyLoraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public TinyLoraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return TinyLoraConfig.of(values);
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer || layer instanceof EmbeddingLayer;
  }

  @Override
  public String adaptable() {
    return "linear layers (Linear, Conv1D, quantized) and embeddings";
  }

  /** The vectors of all groups, and the number of each layer. */
  @Override
  public SharedWeights newShared(TinyLoraConfig config, Map<String, Module> layers) {
    Init init =
        config.initWeights().equals(true) ? Init.zeros() : Init.uniform(config.initVBound());
    List<Weight> vectors = new ArrayList<>();
    for (int i = 0; i < groups(config, layers.size()); i++) {
      Parameter v = new Parameter(Shape.of(config.u()), DType.FLOAT32, init);
      v.initialize();
      v.requiresGrad(false);
      vectors.add(new Weight(VECTORS, "" + i, v));
    }
    Map<String, Integer> numbers = new LinkedHashMap<>();
    layers.keySet().forEach(path -> numbers.put(path, numbers.size()));
    return new SharedWeights(vectors, numbers);
  }

  private static int groups(TinyLoraConfig config, int layers) {
    return (int) Math.max(1, Math.rint(layers * (1 - config.weightTying())));
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, TinyLoraConfig config) {
    Map<String, Integer> numbers = site.shared().numbers();
    int number = site.shared().number(site.path());
    int groups = groups(config, numbers.size());
    int group = Math.min(number / Math.max(1, numbers.size() / groups), groups - 1);
    Parameter v = site.shared().weights().get(group).parameter();
    if (site.layer() instanceof EmbeddingLayer table) {
      Frozen frozen = frozen(site, config, number, table.numEmbeddings(), table.embeddingDim());
      return new TinyLoraEmbeddingAdapter(frozen, v, table, config.tinyloraDropout());
    }
    LinearLayer linear = site.linear();
    Frozen frozen = frozen(site, config, number, linear.outFeatures(), linear.inFeatures());
    return new TinyLoraLinearAdapter(frozen, v, config.tinyloraDropout());
  }

  /** The frozen weights over a matrix (rows, columns). */
  private static Frozen frozen(
      LayerSite site, TinyLoraConfig config, int number, long rows, long columns) {
    long r = Math.min(config.r(), Math.min(rows, columns));
    Parameter p = projections(config, r, config.projectionSeed() + (long) number);
    Parameter a = new Parameter(Shape.of(r, columns), site.baseType(), Init.zeros());
    Parameter b = new Parameter(Shape.of(rows, r), site.baseType(), Init.zeros());
    if (!site.lowCpuMemUsage()) {
      decompose(site, a, b);
    }
    List.of(a, b, p)
        .forEach(
            parameter -> {
              parameter.to(site.device());
              parameter.requiresGrad(false);
            });
    return new Frozen(a, b, p, config.saveProjection());
  }

  private static Parameter projections(TinyLoraConfig config, long r, long seed) {
    if (r * r > Integer.MAX_VALUE / config.u()) {
      throw new IllegalArgumentException(
          "TinyLoraConfig: u "
              + config.u()
              + " random matrices of r "
              + r
              + " rows and columns are too many. Choose a smaller u or r.");
    }
    double deviation = 1 / Math.sqrt((double) r);
    Parameter result =
        new Parameter(
            Shape.of(config.u(), r, r),
            DType.FLOAT32,
            tensor -> new SeededRandom(seed).normal(tensor, 0, deviation));
    result.initialize();
    return result;
  }

  /** A and B: the leading singular vectors of the weight, times the roots of the values. */
  private static void decompose(LayerSite site, Parameter a, Parameter b) {
    try (TensorScope scope = TensorScope.open("decompose");
        GradMode off = GradMode.noGrad()) {
      Tensor weight =
          site.layer() instanceof EmbeddingLayer table
              ? table.table().tensor().to(DType.FLOAT32)
              : site.linear().denseWeight(DType.FLOAT32);
      long r = a.shape().get(0);
      LinearAlgebra.Svd svd = LinearAlgebra.svd(weight);
      Tensor roots = svd.s().narrow(0, 0, r).to(a.dtype()).sqrt();
      a.copyFrom(svd.vh().narrow(0, 0, r).to(a.dtype()).mul(roots.unsqueeze(1)));
      b.copyFrom(svd.u().narrow(1, 0, r).to(a.dtype()).mul(roots));
    }
  }
}
