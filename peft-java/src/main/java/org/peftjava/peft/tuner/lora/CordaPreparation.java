package org.peftjava.peft.tuner.lora;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.WatchedLinear;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * CorDA: decompositions of weights as the data sees them, {@code W C = U S Vh} with the covariance
 * C of what the layer gets. Paper: arXiv:2406.05223.
 *
 * <p>Reference: PEFT {@code tuners/lora/corda.py}; values in golden/corda. Shapes: W (o, d), C (d,
 * d), U (o, r), S (r), V (d, r), all float32.
 */
public final class CordaPreparation {
  private static final Logger LOG = LoggerFactory.getLogger(CordaPreparation.class);
  private static final double MOST_ERROR = 0.05;
  private static final double MOST_DAMPING = 1e6;

  private final Module root;
  private final Collection<String> paths;
  private final LoraConfig config;
  private final CordaConfig corda;

  /**
   * For the layers of a model.
   *
   * @param paths of linear layers
   */
  public CordaPreparation(Module root, Collection<String> paths, LoraConfig config) {
    this.root = root;
    this.paths = paths;
    this.config = config;
    corda =
        CordaConfig.of(
            config
                .fields()
                .object("corda_config")
                .orElseThrow(
                    () ->
                        new IllegalArgumentException(
                            "preprocessCorda needs a config with cordaConfig.")));
  }

  /** What the config says. */
  public CordaConfig options() {
    return corda;
  }

  /** One sum of products of inputs. */
  private static final class Sum implements WatchedLinear.Watcher {
    private final String path;
    private final boolean wide;
    private @Nullable Tensor products;
    private int count;

    Sum(String path, boolean wide) {
      this.path = path;
      this.wide = wide;
    }

    @Override
    public void input(Tensor x) {
      try (TensorScope scope = TensorScope.open("covariance")) {
        Tensor rows = x.detach().reshape(-1, x.size(-1));
        rows = wide ? rows.to(DType.FLOAT32) : rows;
        rows = rows.div(rows.max().abs());
        Tensor added = rows.t().matmul(rows);
        if (!rows.isFinite() || !added.isFinite()) {
          throw new IllegalArgumentException(
              "CorDA: the layer \"" + path + "\" gets values that are zero or not finite.");
        }
        if (products == null) {
          products = added.escape();
        } else {
          products.addInPlace(added);
        }
        count++;
      }
    }

    Tensor mean() {
      if (products == null) {
        throw new IllegalArgumentException(
            "CorDA: runModel does not use the layer \"" + path + "\". Do not target it.");
      }
      return products.div((double) count);
    }

    void close() {
      if (products != null) {
        products.close();
      }
    }
  }

  /**
   * The covariance of what each layer gets while the model runs, by path, owned by the current
   * scope.
   *
   * @param hooked the model that runs, which has the same layers
   */
  public Map<String, Tensor> covariances(Module hooked, Runnable runModel) {
    Map<String, Sum> sums = new LinkedHashMap<>();
    paths.forEach(path -> sums.put(path, new Sum(path, !corda.useFloat16ForCovariance())));
    hooked.eval();
    try (GradMode off = GradMode.noGrad()) {
      WatchedLinear.during(hooked, sums, runModel);
      Map<String, Tensor> result = new LinkedHashMap<>();
      sums.forEach((path, sum) -> result.put(path, sum.mean()));
      return result;
    } finally {
      sums.values().forEach(Sum::close);
    }
  }

  /** U, S and V of each layer under Python's names, owned by the current scope. */
  public Map<String, Tensor> decompose(Map<String, Tensor> covariances) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    for (String path : paths) {
      Tensor covariance = covariances.get(path);
      LinearLayer layer = (LinearLayer) ModulePath.get(root, path);
      if (covariance == null
          || covariance.rank() != 2
          || covariance.size(0) != layer.inFeatures()
          || covariance.size(1) != layer.inFeatures()) {
        throw new IllegalArgumentException(
            "CorDA: the covariance of \""
                + path
                + "\" is "
                + (covariance == null ? "missing" : covariance.shape().toString())
                + ", expected ("
                + layer.inFeatures()
                + ", "
                + layer.inFeatures()
                + ").");
      }
      try (TensorScope scope = TensorScope.open("corda");
          GradMode off = GradMode.noGrad()) {
        List<Tensor> parts = parts(path, layer, covariance.to(DType.FLOAT32));
        for (int i = 0; i < NAMES.size(); i++) {
          result.put(path + NAMES.get(i), scope.keep(parts.get(i).copy()));
        }
      }
      if (Boolean.TRUE.equals(corda.values().get("verbose"))) {
        LOG.info("CorDA has decomposed {}.", path);
      }
    }
    return result;
  }

  /** In the order of {@link Preparation}. */
  private static final List<String> NAMES = List.of(".eigens.U_WC", ".eigens.S_WC", ".eigens.V_WC");

  private List<Tensor> parts(String path, LinearLayer layer, Tensor ofData) {
    int rank = LayerTunerMethod.rank(config, path);
    long most = Math.min(layer.inFeatures(), layer.outFeatures());
    if (rank > most) {
      throw new IllegalArgumentException(
          "CorDA needs a rank of at most "
              + most
              + " for \""
              + path
              + "\", but it is "
              + rank
              + ".");
    }
    Tensor weight = layer.denseWeight(DType.FLOAT32);
    Tensor covariance = ofData.to(weight.device()); // a cache is read on the CPU
    Tensor identity =
        LinearAlgebra.identity(DType.FLOAT32, covariance.device(), covariance.size(0));
    double mean = covariance.mul(identity).sum().toDouble() / covariance.size(0);
    for (double damping = 0.01; damping < MOST_DAMPING; damping *= 2) {
      Tensor fixed = covariance.add(identity.mul(mean * damping));
      Tensor inverse = LinearAlgebra.inverse(fixed);
      double error = fixed.matmul(inverse).sub(identity).pow(2).sum().sqrt().toDouble();
      if (error < MOST_ERROR) {
        Svd svd = LinearAlgebra.svd(weight.matmul(fixed));
        Tensor v = svd.vh().matmul(inverse).t();
        long start = corda.cordaMethod() == CordaConfig.CordaMethod.IPM ? 0 : most - rank;
        return List.of(
            svd.u().narrow(1, start, rank),
            svd.s().narrow(0, start, rank),
            v.narrow(1, start, rank));
      }
    }
    throw new IllegalArgumentException(
        "CorDA: the covariance of \"" + path + "\" has no inverse. Run the model on more data.");
  }

  /** Prepares the layers for adapters with what {@link #decompose} gave. */
  public void prepare(Map<String, Tensor> parts) {
    for (String path : paths) {
      for (String name : NAMES) {
        if (!parts.containsKey(path + name)) {
          throw new IllegalArgumentException(
              "CorDA's cache has no " + path + name + ". Was it made for another model?");
        }
      }
    }
    for (String path : paths) {
      Tensor[] own =
          NAMES.stream()
              .map(name -> Objects.requireNonNull(parts.get(path + name)).to(DType.FLOAT32))
              .toArray(Tensor[]::new);
      Preparation.put(ModulePath.get(root, path), Preparation.Kind.CORDA, own);
    }
  }

  /** Frees what layers were prepared with and no adapter has taken. */
  public static void discard(Module root) {
    root.namedModules().values().forEach(Preparation::drop);
  }
}
