package org.peftjava.transformers.model.t5;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.StandardHeads;

/** The heads of T5 other than the one that writes text. */
final class T5Heads {
  private T5Heads() {}

  /** Scores of each token as an answer's begin and end. */
  static Head span(HeadParts parts) {
    StandardHeads.checkTwoLabels(parts);
    return StandardHeads.span(0, parts);
  }

  /** One label for each token. */
  static Head eachToken(HeadParts parts) {
    return StandardHeads.eachToken("classifier", dropout(parts), parts);
  }

  /**
   * Judges texts by the decoder's state at the last end token: {@code out(tanh(dense(h)))}.
   *
   * <p>Reference: {@code T5ClassificationHead}.
   */
  static Head lastEnd(HeadParts parts) {
    Slot<ClassificationHead> head =
        parts.child(
            "classification_head",
            ClassificationHead.class,
            new ClassificationHead(parts.size(), parts.labels().count(), parts));
    List<Long> ends = parts.config().eosTokenIds();
    return (backbone, hidden, input) -> {
      try (TensorScope scope = TensorScope.open("last end token")) {
        Tensor ids = Objects.requireNonNull(input.inputIds());
        long[] places = places(ids, ends);
        Tensor rows = hidden.reshape(hidden.size(0) * hidden.size(1), hidden.size(2));
        Tensor index = Creation.ofLongs(places, places.length).to(hidden.device());
        return scope.keep(head.get().forward(head.bring(rows.indexSelect(0, index))));
      }
    };
  }

  private static double dropout(HeadParts parts) {
    return parts.config().json().getDouble("classifier_dropout", 0);
  }

  /** The last end token of each row, counted through all rows; as many in each, as in Python. */
  private static long[] places(Tensor ids, List<Long> ends) {
    long[] all = ids.toLongs();
    int width = (int) ids.size(1);
    long[] places = new long[all.length / width];
    long[] counts = new long[places.length];
    for (int i = 0; i < all.length; i++) {
      if (ends.contains(all[i])) {
        places[i / width] = i;
        counts[i / width]++;
      }
    }
    boolean alike = IntStream.range(0, counts.length).allMatch(row -> counts[row] == counts[0]);
    if (counts[0] == 0 || !alike) {
      throw new IllegalArgumentException(
          "The rows have "
              + Arrays.toString(counts)
              + " end tokens (eos_token_id "
              + ends
              + "). T5 judges a text by its last one: expected as many in each row, at least one.");
    }
    return places;
  }

  private static final class ClassificationHead extends Module {
    private final Slot<LinearLayer> dense;
    private final Slot<Layer> dropout;
    private final Slot<LinearLayer> outProj;

    ClassificationHead(long size, long labels, HeadParts parts) {
      DType dtype = parts.dtype();
      dense = child("dense", LinearLayer.class, new Linear(size, size, true, dtype));
      dropout = child("dropout", Layer.class, new Dropout(T5Heads.dropout(parts)));
      outProj = child("out_proj", LinearLayer.class, new Linear(size, labels, true, dtype));
    }

    Tensor forward(Tensor x) {
      Tensor inner = Ops.tanh(dense.get().forward(dropout.get().forward(x)));
      return outProj.get().forward(dropout.get().forward(inner));
    }
  }
}
