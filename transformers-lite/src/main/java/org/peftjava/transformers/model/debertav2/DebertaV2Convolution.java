package org.peftjava.transformers.model.debertav2;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;

/**
 * A convolution over the embedded tokens, added to the first layer's output: {@code
 * norm(act(conv(embedded)) + output)}, 0 at padding.
 *
 * <p>Reference: {@code ConvLayer}. Letters: {@code b} batch, {@code t} tokens, {@code e} hidden
 * size, {@code k} width.
 */
final class DebertaV2Convolution extends Module {
  private final Convolution conv;
  private final Slot<Layer> norm;
  private final Activation activation;
  private final double dropout;

  DebertaV2Convolution(DebertaV2Config config, DType dtype) {
    conv = child("conv", new Convolution(config, dtype));
    norm =
        child(
            "LayerNorm",
            Layer.class,
            new LayerNorm(config.hiddenSize(), config.layerNormEps(), dtype));
    activation = Activation.of(config.convAct(), "conv_act");
    dropout = config.hiddenDropoutProb();
  }

  /**
   * Returns (b, t, e), owned by the current scope.
   *
   * @param embedded (b, t, e)
   * @param output (b, t, e), of the first layer
   * @param padding (b, t), 0 at padding; null if nothing is padded
   */
  Tensor forward(Tensor embedded, Tensor output, @Nullable Tensor padding) {
    try (TensorScope scope = TensorScope.open("convolution")) {
      Device device = conv.weight.tensor().device();
      Tensor mixed = conv.forward(embedded.to(device));
      Tensor hidden = padding == null ? null : padding.to(device).eq(0).unsqueeze(2);
      Tensor kept = hidden == null ? mixed : mixed.maskedFill(hidden, 0);
      Tensor active = activation.forward(Dropouts.dropout(kept, isTraining() ? dropout : 0));
      Tensor normed = norm.get().forward(output.to(device).add(active));
      return scope.keep(hidden == null ? normed : normed.maskedFill(hidden, 0));
    }
  }

  private static final class Convolution extends Module {
    private final Parameter weight;
    private final Parameter bias;
    private final int groups;

    Convolution(DebertaV2Config config, DType dtype) {
      groups = config.convGroups();
      int size = config.hiddenSize();
      Shape shape = Shape.of(size, size / groups, config.convKernelSize());
      weight = register("weight", new Parameter(shape, dtype, Init.normal(config.initialStd())));
      bias = register("bias", new Parameter(Shape.of(size), dtype, Init.zeros()));
    }

    Tensor forward(Tensor x) {
      Tensor channels = x.transpose(1, 2);
      return Ops.conv1d(channels, weight.tensor(), bias.tensor(), groups).transpose(1, 2);
    }
  }
}
