package org.peftjava.transformers;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ScaledEmbedding;

/**
 * The weights of a model that have a row for each token: embeddings, and the head over tokens.
 *
 * <p>Reference: {@code PreTrainedModel.resize_token_embeddings}.
 */
final class TokenRows {
  private static final String WEIGHT = "weight";
  private static final double SHARE_OF_COVARIANCE = 1e-9;
  private static final long BLOCK = 8192;

  private final CheckpointModel model;

  TokenRows(CheckpointModel model) {
    this.model = model;
  }

  /**
   * Gives all of them this number of rows, which is rounded up if the options say so.
   *
   * @return whether anything changed
   */
  boolean resize(int tokens, ResizeOptions options) {
    int multiple = options.padToMultipleOf().orElse(1);
    long rows = (tokens + (long) multiple - 1) / multiple * multiple;
    if (tokens < 1 || rows > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "newNumTokens is "
              + tokens
              + ", rounded up to a multiple of "
              + multiple
              + ". Expected a number from 1 to "
              + Integer.MAX_VALUE
              + ".");
    }
    ConfigJson changed = model.config().json().with("vocab_size", (int) rows);
    model.architecture().config(changed); // says what the config does not allow
    Map<Parameter, Tensor> values = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.open("resize token embeddings");
        GradMode off = GradMode.noGrad()) {
      for (Parameter parameter : parameters()) {
        if (parameter.shape().get(0) != rows) {
          values.put(parameter, resized(parameter.tensor().detach(), rows, options));
        }
      }
      for (String name : model.tokenBiases()) {
        Parameter bias = Objects.requireNonNull(model.module().namedState().get(name), name);
        values.put(bias, filledUp(bias.tensor().detach(), rows));
      }
      values.forEach(Parameter::resize);
    }
    model.configure(changed);
    return !values.isEmpty();
  }

  /** Each once, in the order of their names. */
  private Set<Parameter> parameters() {
    Set<Parameter> result = new LinkedHashSet<>();
    if (model.backbone().inputEmbeddings() instanceof Module table) {
      result.add(parameter(table, WEIGHT));
    }
    Map<String, String> ties = model.ties().names();
    Set<String> names = new TreeSet<>(ties.keySet());
    names.addAll(ties.values());
    for (String name : names) {
      int dot = name.lastIndexOf('.');
      Module layer = ModulePath.get(model.module(), name.substring(0, dot));
      result.add(parameter(layer, name.substring(dot + 1)));
      if (layer instanceof Linear head) {
        head.bias().ifPresent(result::add);
      }
    }
    return result;
  }

  private static Parameter parameter(Module layer, String name) {
    Parameter parameter = layer.ownParameters().get(name);
    boolean plain =
        layer instanceof Embedding
            || layer instanceof ScaledEmbedding
            || layer instanceof Linear
            || !name.equals(WEIGHT);
    if (parameter == null || !plain) {
      throw new IllegalStateException(
          "The token embedding or the head over tokens is a "
              + layer.getClass().getSimpleName()
              + ". Only plain layers are resized: call resizeTokenEmbeddings before an adapter is"
              + " added to them, and leave them out of quantization.");
    }
    return parameter;
  }

  /** The first rows of the old values, and new ones behind them. */
  private Tensor resized(Tensor old, long rows, ResizeOptions options) {
    long known = old.size(0);
    if (rows < known) {
      return old.narrow(0, 0, rows).copy();
    }
    long count = rows - known;
    Tensor added;
    if (old.rank() == 1 && (!options.meanResizing() || !model.ties().tied().isEmpty())) {
      added = Creation.zeros(DType.FLOAT32, count); // a tied head's bias is only filled up
    } else if (options.meanResizing()) {
      added = nearMean(old, count);
    } else {
      added = Creation.randn(DType.FLOAT32, count, old.size(1)).mul(model.config().initialStd());
    }
    return Creation.cat(List.of(old, added.to(old.dtype()).to(old.device())), 0);
  }

  /** The first numbers of the last dimension, and zeros behind them. */
  private static Tensor filledUp(Tensor old, long tokens) {
    int last = old.rank() - 1;
    long known = old.size(last);
    if (tokens <= known) {
      return old.narrow(last, 0, tokens).copy();
    }
    long[] sizes = old.shape().toArray();
    sizes[last] = tokens - known;
    return Creation.cat(List.of(old, Creation.zeros(old.dtype(), old.device(), sizes)), last);
  }

  /**
   * The mean of the old rows x, plus {@code sqrt(1e-9 / n) g (x - mean)} with g from N(0, 1): that
   * has a billionth of their covariance, and needs no factor of it. Biases get the mean alone.
   */
  private static Tensor nearMean(Tensor old, long count) {
    long known = old.size(0);
    if (old.rank() == 1) {
      return old.to(DType.FLOAT32).mean().reshape(1).expand(count);
    }
    Tensor sum = Creation.zeros(DType.FLOAT32, old.size(1));
    Tensor noise = Creation.zeros(DType.FLOAT32, count, old.size(1));
    Tensor shares = Creation.zeros(DType.FLOAT32, count);
    for (long start = 0; start < known; start += BLOCK) {
      try (TensorScope block = TensorScope.open("block")) {
        long length = Math.min(BLOCK, known - start);
        Tensor rows = old.narrow(0, start, length).to(Device.CPU).to(DType.FLOAT32);
        Tensor g = Creation.randn(DType.FLOAT32, count, length);
        sum.addInPlace(rows.sum(0));
        noise.addInPlace(g.matmul(rows));
        shares.addInPlace(g.sum(1));
      }
    }
    Tensor mean = sum.div(known).unsqueeze(0);
    noise.addInPlace(shares.unsqueeze(1).mul(mean), -1);
    return noise.mulInPlace(Math.sqrt(SHARE_OF_COVARIANCE / known)).addInPlace(mean);
  }
}
