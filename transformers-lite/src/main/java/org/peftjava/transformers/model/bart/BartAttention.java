package org.peftjava.transformers.model.bart;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Seq2SeqAttention;
import org.peftjava.transformers.model.Seq2SeqContext;

/**
 * Multi-head attention {@code softmax(q k^T / sqrt(d)) v}, projected back: over the same tokens, or
 * over those of the encoder.
 *
 * <p>Reference: {@code BartAttention}. Letters: {@code b} batch, {@code t} tokens that ask, {@code
 * e} hidden size.
 */
final class BartAttention extends Module {
  private final Seq2SeqAttention attention;
  private final double dropout;

  BartAttention(BartConfig config, int layer, boolean decoder, DType dtype) {
    long size = config.hiddenSize();
    long headSize = size / config.attentionHeads(decoder);
    dropout = config.attentionDropout();
    Slot<LinearLayer> key = projection("k_proj", size, dtype);
    Slot<LinearLayer> value = projection("v_proj", size, dtype);
    Slot<LinearLayer> query = projection("q_proj", size, dtype);
    Slot<LinearLayer> output = projection("out_proj", size, dtype);
    attention =
        new Seq2SeqAttention(
            query, key, value, output, layer, headSize, 1 / Math.sqrt((double) headSize));
  }

  private Slot<LinearLayer> projection(String name, long size, DType dtype) {
    return child(name, LinearLayer.class, new Linear(size, size, true, dtype));
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
