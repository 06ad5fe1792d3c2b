package org.peftjava.transformers.model.t5;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Seq2SeqAttention;
import org.peftjava.transformers.model.Seq2SeqContext;

/**
 * Multi-head attention without scaling: {@code softmax(q k^T + bias) v}, projected back. Over the
 * same tokens, or over those of the encoder.
 *
 * <p>Reference: {@code T5Attention}. The bias of relative positions and the mask are one addend,
 * made once per pass ({@link T5Stack}); its table sits in the first layer and serves all. Letters:
 * {@code b} batch, {@code t} tokens that ask, {@code s} tokens that are asked, {@code h} heads,
 * {@code d} size of a head, {@code e} hidden size.
 */
final class T5Attention extends Module {
  private static final double UNSCALED = 1;

  private final Seq2SeqAttention attention;
  private final @Nullable Slot<EmbeddingLayer> relativeAttentionBias;
  private final double dropout;

  T5Attention(T5Config config, int layer, boolean hasRelativeBias, DType dtype) {
    long headSize = config.dKv();
    dropout = config.dropoutRate();
    long model = config.dModel();
    long inner = headSize * config.numHeads();
    double std = config.initializerFactor() / Math.sqrt(model);
    Slot<LinearLayer> q = linear("q", model, inner, std / Math.sqrt(headSize), dtype);
    Slot<LinearLayer> k = linear("k", model, inner, std, dtype);
    Slot<LinearLayer> v = linear("v", model, inner, std, dtype);
    Slot<LinearLayer> o =
        linear("o", inner, model, config.initializerFactor() / Math.sqrt(inner), dtype);
    attention = new Seq2SeqAttention(q, k, v, o, layer, headSize, UNSCALED);
    if (hasRelativeBias) {
      Embedding table =
          new Embedding(config.relativeAttentionNumBuckets(), config.numHeads(), dtype);
      table.table().init(Init.normal(std));
      relativeAttentionBias = child("relative_attention_bias", EmbeddingLayer.class, table);
    } else {
      relativeAttentionBias = null;
    }
  }

  private Slot<LinearLayer> linear(String name, long in, long out, double std, DType dtype) {
    return child(name, LinearLayer.class, T5Weights.linear(in, out, std, dtype));
  }

  /** The bias (n, h) of relative positions that fall into these buckets (n). */
  Tensor bias(Tensor buckets) {
    if (relativeAttentionBias == null) {
      throw new IllegalStateException("Only the first layer has a relative_attention_bias.");
    }
    EmbeddingLayer biases = relativeAttentionBias.get();
    Tensor there = buckets.to(biases.table().tensor().device());
    return biases.forward(there).to(buckets.device());
  }

  /** Attends from each token of x (b, t, e) to the tokens around it; returns (b, t, e). */
  Tensor toItself(Tensor x, Seq2SeqContext context) {
    return attention.toItself(x, context, isTraining() ? dropout : 0);
  }

  /** Attends from each token of x (b, t, e) to the encoder's states; returns (b, t, e). */
  Tensor toEncoder(Tensor x, Seq2SeqContext.Encoder encoder) {
    return attention.toEncoder(x, encoder, isTraining() ? dropout : 0);
  }
}
