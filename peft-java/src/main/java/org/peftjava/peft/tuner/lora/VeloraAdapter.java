package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CustomGradient;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/**
 * VeLoRA over a linear layer: LoRA whose backward pass does not have the input x of A, but for each
 * group of features of a token one number, the product with a direction v that all groups share.
 * The gradient of A is taken as if x were {@code scale * (x v) v^T}; everything else is LoRA's.
 *
 * <p>Paper: arXiv:2405.17991. Reference: PEFT {@code lora/velora.py,
 * variants.py::VeloraLinearVariant}; values in golden/tuner_velora*. Shapes: x (..., d), in g
 * groups of n = ceil(d / g) features, the last one filled with zeros; v (n), of length 1.
 */
final class VeloraAdapter extends LoraVariant implements LowRank {
  private final Parameter direction;
  private final VeloraConfig config;

  /**
   * Of LoRA's matrices.
   *
   * @param direction v; zeros as long as there is none
   */
  VeloraAdapter(LoraAdapter lora, Parameter direction, VeloraConfig config) {
    super(lora);
    this.direction = direction;
    this.config = config;
  }

  /** The number of features of a group. */
  static long groupSize(long in, VeloraConfig config) {
    return (in + config.numGroups() - 1) / config.numGroups();
  }

  /** A vector with a length of 1 and the same direction; any one if it is zero. */
  static Tensor normalized(Tensor vector) {
    Tensor wide = vector.to(DType.FLOAT32);
    double length = wide.pow(2).sum().sqrt().toDouble();
    return length == 0
        ? Creation.full(DType.FLOAT32, 1 / Math.sqrt(wide.numel()), wide.numel())
        : wide.div(length);
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>(super.weights());
    result.add(new Weight("lora_velora_embed", "", direction, Role.BUFFER));
    return result;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    if (!training || !GradMode.isEnabled()) {
      return super.afterBase(x, y, training);
    }
    LoraAdapter lora = lora();
    DType type = lora.a().dtype();
    Tensor input = Dropouts.dropout(x.to(type), lora.dropout());
    Tensor low = low(input, lora.a().tensor());
    Tensor bias = lora.bias().map(Parameter::tensor).orElse(null);
    Tensor high = MatrixOps.linear(low, lora.b().tensor(), bias);
    return y.to(type).add(high.mul(lora.scaling()));
  }

  /** {@code x A^T}, of which the backward pass keeps only what is said above. */
  private Tensor low(Tensor x, Tensor a) {
    Tensor value;
    Tensor kept;
    Tensor v;
    try (TensorScope scope = TensorScope.open("compressed input");
        GradMode off = GradMode.noGrad()) {
      Tensor groups = groups(x.detach());
      turn(groups);
      v = scope.keep(direction.tensor().detach().to(x.dtype()).copy());
      kept = scope.keep(groups.matmul(v)); // (t, g)
      value = scope.keep(MatrixOps.linear(x, a, null));
    }
    boolean isInputTrained = x.requiresGrad();
    double scale = config.scale();
    return CustomGradient.of(
        value,
        List.of(x, a),
        List.of(kept, a, v),
        (gradient, saved) -> {
          Tensor flat = gradient.reshape(-1, gradient.size(-1));
          Tensor weight = saved.get(1);
          long in = weight.size(1);
          Tensor rebuilt = saved.get(0).unsqueeze(-1).mul(saved.get(2)).reshape(flat.size(0), -1);
          Tensor ofA = flat.t().matmul(rebuilt.narrow(1, 0, in)).mul(scale);
          @Nullable Tensor ofInput = isInputTrained ? gradient.matmul(weight) : null;
          return Arrays.asList(ofInput, ofA);
        });
  }

  /** All tokens' groups of features (t, g, n). */
  private Tensor groups(Tensor x) {
    long in = x.size(-1);
    long each = groupSize(in, config);
    long missing = config.numGroups() * each - in;
    Tensor flat = x.reshape(-1, in);
    if (missing > 0) {
      Tensor zeros = Creation.zeros(x.dtype(), x.device(), flat.size(0), missing);
      flat = Creation.cat(List.of(flat, zeros), 1);
    }
    return flat.reshape(flat.size(0), config.numGroups(), each);
  }

  /** Lets the direction be that of the mean of all groups, if it is to be. */
  private void turn(Tensor groups) {
    boolean once = config.initType().equals("batch_average_once");
    if (once
        ? direction.tensor().detach().abs().max().toDouble() == 0
        : config.initType().equals("batch_average")) {
      Tensor flat = groups.reshape(-1, groups.size(-1));
      direction.copyFrom(normalized(flat.sum(0).div((double) flat.size(0))));
    }
  }
}
