package org.peftjava.transformers.model.distilbert;

import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.DecoderContext;
import org.peftjava.transformers.model.SelfAttention;

/**
 * One layer: attention and a feed-forward block, each with a residual connection and a norm after
 * it.
 *
 * <p>Reference: {@code TransformerBlock}.
 */
final class DistilBertLayer extends Module {
  private static final SelfAttention.Names NAMES =
      new SelfAttention.Names("q_lin", "k_lin", "v_lin", "out_lin");

  private final SelfAttention attention;
  private final Slot<Layer> saLayerNorm;
  private final FeedForward ffn;
  private final Slot<Layer> outputLayerNorm;

  DistilBertLayer(DistilBertConfig config, int layer, DType dtype) {
    attention =
        child(
            "attention",
            new SelfAttention(
                NAMES,
                layer,
                config.hiddenSize(),
                config.nHeads(),
                config.attentionDropout(),
                dtype));
    saLayerNorm = norm("sa_layer_norm", config, dtype);
    ffn = child("ffn", new FeedForward(config, dtype));
    outputLayerNorm = norm("output_layer_norm", config, dtype);
  }

  private Slot<Layer> norm(String name, DistilBertConfig config, DType dtype) {
    LayerNorm norm = new LayerNorm(config.hiddenSize(), DistilBertModel.LAYER_NORM_EPS, dtype);
    return child(name, Layer.class, norm);
  }

  /** Returns the layer's output (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("encoder layer")) {
      Tensor attended = saLayerNorm.get().forward(attention.forward(x, context).add(x));
      Tensor result = outputLayerNorm.get().forward(ffn.forward(attended).add(attended));
      return scope.keep(result);
    }
  }

  /** Reference: {@code FFN}. */
  private static final class FeedForward extends Module {
    private final Slot<LinearLayer> lin1;
    private final Slot<LinearLayer> lin2;
    private final Slot<Layer> activation;
    private final double dropout;

    FeedForward(DistilBertConfig config, DType dtype) {
      long size = config.hiddenSize();
      long inner = config.hiddenDim();
      dropout = config.dropout();
      lin1 = child("lin1", LinearLayer.class, new Linear(size, inner, true, dtype));
      lin2 = child("lin2", LinearLayer.class, new Linear(inner, size, true, dtype));
      activation =
          child("activation", Layer.class, Activation.of(config.activation(), "activation"));
    }

    Tensor forward(Tensor x) {
      try (TensorScope scope = TensorScope.open("feed forward")) {
        Tensor inner = activation.get().forward(lin1.get().forward(x));
        Tensor result = lin2.get().forward(inner);
        return scope.keep(isTraining() ? Dropouts.dropout(result, dropout) : result);
      }
    }
  }
}
