package org.peftjava.peft.tuner.frod;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * What layers that play the same role share in FRoD: a basis V (d, d) of their inputs, made of all
 * their weights, and the places of the trained numbers (2, n).
 *
 * <p>Reference: PEFT {@code tuners/frod/model.py::_init_frod_projections,
 * _projection_from_weights}. The places are Python's number by number; V has the signs that the
 * installed LAPACK gives it.
 */
record SharedBases(FrodConfig config) {
  static final String BASIS = "frod_V.";
  static final String PLACES = "frod_s_indices.";
  private static final String SIZE = "frod_s_size.";

  /** The role of a layer: the last two parts of its path, or one after a number. */
  static String role(String path) {
    List<String> parts = List.of(path.split("\\.", -1));
    int last = parts.size() - 1;
    if (last == 0 || isNumber(parts.get(last - 1))) {
      return parts.get(last);
    }
    String role = parts.get(last - 1) + "_" + parts.get(last);
    return role.equals("output_dense") && last >= 2 && parts.get(last - 2).equals("attention")
        ? "attention_output"
        : role;
  }

  private static boolean isNumber(String part) {
    return !part.isEmpty() && part.chars().allMatch(Character::isDigit);
  }

  /** The number of the block that a layer is in. */
  private static int block(String path, int otherwise) {
    List<String> parts = List.of(path.split("\\.", -1));
    int at = parts.indexOf("layers");
    if (at >= 0 && at + 1 < parts.size() && isNumber(parts.get(at + 1))) {
      return Integer.parseInt(parts.get(at + 1));
    }
    return parts.stream()
        .filter(SharedBases::isNumber)
        .map(Integer::valueOf)
        .findFirst()
        .orElse(otherwise);
  }

  /** The weights shared by these layers. */
  SharedWeights over(Map<String, Module> layers) {
    Map<String, Map<Integer, LinearLayer>> roles = new TreeMap<>();
    int number = 0;
    for (Map.Entry<String, Module> entry : layers.entrySet()) {
      String path = entry.getKey();
      roles
          .computeIfAbsent(role(path), key -> new TreeMap<>())
          .put(block(path, number++), (LinearLayer) entry.getValue());
    }
    SeededRandom random = new SeededRandom(config.projectionPrngKey());
    Role role = config.saveProjection() ? Role.BUFFER : Role.DERIVED;
    Map<String, Weight> weights = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.open("frod");
        GradMode off = GradMode.noGrad()) {
      roles.forEach(
          (name, blocks) -> {
            List<LinearLayer> all = List.copyOf(blocks.values());
            long d = inFeatures(name, all);
            put(weights, BASIS + name, basis(all), all.get(0).computeDtype(), role);
            put(weights, PLACES + name, places(random, d), DType.INT64, role);
            put(weights, SIZE + name, Creation.ofLongs(new long[] {d, d}, 2), DType.INT64, role);
          });
    }
    return new SharedWeights(List.copyOf(weights.values()));
  }

  private static void put(
      Map<String, Weight> weights, String group, Tensor values, DType type, Role role) {
    Shape shape = values.shape();
    Parameter parameter = new Parameter(shape, values.dtype(), t -> t.copyInPlace(values));
    parameter.initialize();
    parameter.to(type);
    parameter.requiresGrad(false);
    weights.put(group, new Weight(group, "", parameter, role));
  }

  private static long inFeatures(String role, List<LinearLayer> layers) {
    long d = layers.get(0).inFeatures();
    for (LinearLayer layer : layers) {
      if (layer.inFeatures() != d) {
        throw new IllegalArgumentException(
            "FRoD shares a basis between layers of the role \""
                + role
                + "\", but these have "
                + d
                + " and "
                + layer.inFeatures()
                + " input features. Adapt one kind of them.");
      }
    }
    return d;
  }

  /** V of some weights (o, d). */
  private Tensor basis(List<LinearLayer> layers) {
    List<Tensor> weights = new ArrayList<>();
    layers.forEach(
        layer -> weights.add(layer.denseWeight(DType.FLOAT32).to(Device.CPU).to(DType.FLOAT32)));
    Tensor stacked = Creation.cat(weights, 0);
    long d = stacked.size(1);
    if (stacked.size(0) < d) {
      return LinearAlgebra.rightVectors(stacked).t().contiguous();
    }
    LinearAlgebra.Qr qr = LinearAlgebra.qr(stacked);
    Tensor ridge =
        LinearAlgebra.identity(DType.FLOAT32, Device.CPU, d).mul(config.regularizationAlpha());
    Tensor sum = Creation.zeros(DType.FLOAT32, d, d);
    long row = 0;
    for (Tensor weight : weights) {
      Tensor part = qr.q().narrow(0, row, weight.size(0));
      row += weight.size(0);
      sum = sum.add(LinearAlgebra.inverse(part.t().matmul(part).add(ridge)));
    }
    Tensor vectors = LinearAlgebra.eigh(sum.div((double) weights.size())).vectors();
    return qr.r().t().matmul(vectors);
  }

  /** Rows and columns of places beside the diagonal of (d, d), at random. */
  private Tensor places(SeededRandom random, long d) {
    long free = d * (d - 1);
    long count = Math.min((long) (d * d * config.sparseRate()), free);
    if (config.sparseRate() > 0 && free > 0) {
      count = Math.max(1, count);
    }
    if (count == 0) {
      return Creation.ofLongs(new long[0], 2, 0);
    }
    long[] chosen = random.permutation(free).narrow(0, 0, count).toLongs();
    int n = chosen.length;
    long[] result = new long[2 * n];
    for (int i = 0; i < n; i++) {
      long row = chosen[i] / (d - 1);
      long column = chosen[i] % (d - 1);
      result[i] = row;
      result[n + i] = column >= row ? column + 1 : column;
    }
    return Creation.ofLongs(result, 2, n);
  }
}
