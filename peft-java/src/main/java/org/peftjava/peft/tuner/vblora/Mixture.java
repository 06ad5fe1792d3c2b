package org.peftjava.peft.tuner.vblora;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Logits (a, b, n) of which the k largest along the last dimension mix k of n vectors, with a
 * softmax over them.
 *
 * <p>The short form in files: the indices of the k vectors, and the weights of the first k - 1.
 */
final class Mixture {
  private final Parameter logits;
  private final long k;
  private boolean isShortened;
  private long @Nullable [] readIndices; // the parts of the short form, until both are there
  private float @Nullable [] readWeights;

  Mixture(Parameter logits, long k) {
    this.logits = logits;
    this.k = k;
  }

  Parameter logits() {
    return logits;
  }

  /** Whether all logits but the largest were lost in a file. */
  boolean isShortened() {
    return isShortened;
  }

  /** The mixed vectors (a, b, v) of a bank (n, v). */
  Tensor of(Tensor bank) {
    Ops.Ranked top = Ops.topK(logits.tensor(), k);
    Tensor weights = Ops.softmax(top.values(), -1).unsqueeze(-1);
    return weights.mul(Ops.embedding(bank, top.indices())).sum(-2);
  }

  /** The short form, under names that begin so. */
  Map<String, AdapterTensor> shortForm(String name) {
    Shape shape = logits.shape();
    return Map.of(
        name + "_topk_indices",
        new AdapterTensor(
            Shape.of(shape.get(0), shape.get(1), k),
            () -> Ops.topK(logits.tensor().detach(), k).indices().to(indexType()),
            this::readIndices),
        name + "_topk_weights",
        new AdapterTensor(
            Shape.of(shape.get(0), shape.get(1), k - 1), this::firstWeights, this::readWeights));
  }

  private Tensor firstWeights() {
    Tensor largest = Ops.topK(logits.tensor().detach(), k).values();
    return Ops.softmax(largest, -1).narrow(2, 0, k - 1).contiguous();
  }

  /** The smallest type that holds an index, as Python chooses it. */
  private DType indexType() {
    long n = logits.shape().get(2);
    if (n < 1 << 8) {
      return DType.UINT8;
    }
    return n < 1 << 15 ? DType.INT16 : DType.INT32;
  }

  private void readIndices(Tensor indices) {
    long n = logits.shape().get(2);
    long[] values = indices.to(DType.INT64).toLongs();
    for (long value : values) {
      if (value < 0 || value >= n) {
        throw new IllegalArgumentException(
            "A VB-LoRA adapter picks vector " + value + " of a bank of " + n + ".");
      }
    }
    readIndices = values;
    restore();
  }

  private void readWeights(Tensor weights) {
    readWeights = weights.to(DType.FLOAT32).contiguous().toFloats();
    restore();
  }

  /** Makes logits of what was read, when both parts are there: -infinity but for k of them. */
  private void restore() {
    if (readIndices == null || readWeights == null) {
      return;
    }
    Shape shape = logits.shape();
    long rows = shape.get(0) * shape.get(1);
    Tensor first = Creation.ofFloats(readWeights, rows, k - 1);
    Tensor last = first.sum(1).neg().add(1).unsqueeze(1);
    Tensor kept = Creation.cat(List.of(first, last), 1).log();
    Tensor none = Creation.full(DType.FLOAT32, Double.NEGATIVE_INFINITY, rows, shape.get(2));
    Tensor index = Creation.ofLongs(readIndices, rows, k);
    logits.copyFrom(Ops.scatter(none, 1, index, kept).reshape(shape.toArray()));
    readIndices = null;
    readWeights = null;
    isShortened = true;
  }
}
