package org.peftjava.transformers.model;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * Judges texts by the decoder's state at the last end token: {@code out(tanh(dense(h)))}.
 *
 * <p>Reference: {@code T5ClassificationHead}, {@code BartClassificationHead}.
 */
public final class LastEndHead extends Module {
  private final Slot<LinearLayer> dense;
  private final Slot<Layer> dropout;
  private final Slot<LinearLayer> outProj;

  private LastEndHead(HeadParts parts) {
    long size = parts.size();
    long labels = parts.labels().count();
    double probability = parts.config().json().getDouble("classifier_dropout", 0);
    dense = child("dense", LinearLayer.class, new Linear(size, size, true, parts.dtype()));
    dropout = child("dropout", Layer.class, new Dropout(probability));
    outProj = child("out_proj", LinearLayer.class, new Linear(size, labels, true, parts.dtype()));
  }

  /** Registers the head under the name "classification_head". */
  public static Head head(HeadParts parts) {
    Slot<LastEndHead> head =
        parts.child("classification_head", LastEndHead.class, new LastEndHead(parts));
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
              + "). A text is judged by its last one: expected as many in each row, at least one.");
    }
    return places;
  }

  private Tensor forward(Tensor x) {
    Tensor inner = Ops.tanh(dense.get().forward(dropout.get().forward(x)));
    return outProj.get().forward(dropout.get().forward(inner));
  }
}
