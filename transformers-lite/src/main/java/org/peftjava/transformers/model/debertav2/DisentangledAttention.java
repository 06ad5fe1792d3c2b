package org.peftjava.transformers.model.debertav2;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Attention;
import org.peftjava.transformers.model.AttentionMask;

/**
 * Attention in which contents and distances ask apart: {@code softmax((q k^T + q kd^T + qd k^T) /
 * sqrt(terms d)) v}, where kd and qd are made of the vector of the distance between both tokens.
 *
 * <p>Reference: {@code DisentangledSelfAttention}; arXiv:2006.03654. Letters: {@code b} batch,
 * {@code t} tokens, {@code h} heads, {@code d} size of a head, {@code n} vectors of distances,
 * {@code e = h d}.
 */
final class DisentangledAttention extends Module {
  private final Slot<LinearLayer> query;
  private final Slot<LinearLayer> key;
  private final Slot<LinearLayer> value;
  private final @Nullable Slot<LinearLayer> positionKey;
  private final @Nullable Slot<LinearLayer> positionQuery;
  private final long headSize;
  private final double scale;
  private final double dropout;
  private final double positionDropout;

  DisentangledAttention(DebertaV2Config config, DType dtype) {
    long size = config.hiddenSize();
    headSize = size / config.numAttentionHeads();
    dropout = config.attentionProbsDropoutProb();
    positionDropout = config.hiddenDropoutProb();
    query = projection("query_proj", size, dtype);
    key = projection("key_proj", size, dtype);
    value = projection("value_proj", size, dtype);
    List<String> terms = config.posAttType();
    boolean toPosition = terms.contains(DebertaV2Config.CONTENT_TO_POSITION);
    boolean toContent = terms.contains(DebertaV2Config.POSITION_TO_CONTENT);
    scale = 1 / Math.sqrt(headSize * (1.0 + (toPosition ? 1 : 0) + (toContent ? 1 : 0)));
    boolean shares = config.shareAttKey();
    boolean relative = config.relativeAttention();
    positionKey =
        !relative || !toPosition ? null : shares ? key : projection("pos_key_proj", size, dtype);
    positionQuery =
        !relative || !toContent ? null : shares ? query : projection("pos_query_proj", size, dtype);
  }

  private Slot<LinearLayer> projection(String name, long size, DType dtype) {
    return child(name, LinearLayer.class, new Linear(size, size, true, dtype));
  }

  /** Attends from each token of x (b, t, e) to all others; returns (b, t, e). */
  Tensor forward(Tensor x, DebertaV2Context context) {
    try (TensorScope scope = TensorScope.open("disentangled attention")) {
      Tensor q = Attention.split(query.get().forward(x), headSize);
      Tensor k = Attention.split(key.get().forward(x), headSize);
      Tensor v = Attention.split(value.get().forward(x), headSize);
      double dropped = isTraining() ? dropout : 0;
      AttentionMask mask = mask(q, k, context);
      Tensor asking = withoutPadding(q, context.padding());
      return scope.keep(
          Attention.join(Attention.of(asking, k, v, mask, dropped, scale, context.trace())));
    }
  }

  /** Padding attends to all alike, whatever it asks: no gradient comes from there. */
  private static Tensor withoutPadding(Tensor q, @Nullable Tensor padding) {
    return padding == null
        ? q
        : q.maskedFill(padding.eq(0).reshape(padding.size(0), 1, padding.size(1), 1), 0);
  }

  /** What is added to the scores of contents: those of distances, and very little at padding. */
  private AttentionMask mask(Tensor q, Tensor k, DebertaV2Context context) {
    List<Tensor> terms = terms(q, k, context.distances());
    Tensor padding = context.padding();
    if (terms.isEmpty() && padding == null) {
      return AttentionMask.bidirectional(null, q.dtype(), q.device());
    }
    Tensor sum =
        terms.isEmpty()
            ? Creation.zeros(q.dtype(), q.device(), 1, 1, 1, 1)
            : terms.size() == 1 ? terms.get(0) : terms.get(0).add(terms.get(1));
    if (padding == null) {
      return new AttentionMask(sum, false);
    }
    long batch = padding.size(0);
    long tokens = padding.size(1);
    Tensor real = padding.ne(0);
    Tensor both = real.reshape(batch, 1, tokens, 1).and(real.reshape(batch, 1, 1, tokens));
    // finite, as padding sees nothing and must not become NaN; half as low, as scores are added
    return new AttentionMask(sum.maskedFill(both.not(), lowest(q.dtype()) / 2), false);
  }

  private static double lowest(DType dtype) {
    return dtype == DType.FLOAT16 ? -65504 : -Float.MAX_VALUE;
  }

  /** The scores (b, h, t, t) that rest on distances. */
  private List<Tensor> terms(Tensor q, Tensor k, @Nullable Distances distances) {
    List<Tensor> terms = new ArrayList<>();
    if (distances == null || (positionKey == null && positionQuery == null)) {
      return terms;
    }
    long tokens = q.size(2);
    Tensor vectors =
        Dropouts.dropout(distances.vectors(), isTraining() ? positionDropout : 0).unsqueeze(0);
    Tensor index = distances.index().expand(q.size(0), q.size(1), tokens, tokens);
    if (positionKey != null) {
      Tensor keys = Attention.split(positionKey.get().forward(vectors), headSize).mul(scale);
      terms.add(q.matmul(keys.transpose(2, 3)).gather(-1, index));
    }
    if (positionQuery != null) {
      Tensor queries = Attention.split(positionQuery.get().forward(vectors), headSize).mul(scale);
      terms.add(queries.matmul(k.transpose(2, 3)).gather(-2, index));
    }
    return terms;
  }
}
