package org.peftjava.transformers.generation;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;

/** Changes of single tokens' logits, without a copy of the vocabulary on the host. */
final class Masks {
  private Masks() {}

  /** A copy of the logits (b, v) in which these tokens are ruled out in every row. */
  static Tensor without(Tensor logits, List<Long> ids) {
    return logits.copy().indexFillInPlace(1, index(ids, logits), Double.NEGATIVE_INFINITY);
  }

  /**
   * A copy in which single tokens of single rows are ruled out.
   *
   * @param places row * v + token
   */
  static Tensor withoutPlaces(Tensor logits, long[] places) {
    if (places.length == 0) {
      return logits;
    }
    Tensor copy = logits.copy();
    Tensor index = Creation.ofLongs(places, places.length).to(logits.device());
    copy.reshape(-1).indexFillInPlace(0, index, Double.NEGATIVE_INFINITY);
    return copy;
  }

  /** Logits plus a number at some places row * v + token. */
  static Tensor added(Tensor logits, Map<Long, Float> places) {
    if (places.isEmpty()) {
      return logits;
    }
    long[] index = new long[places.size()];
    float[] numbers = new float[places.size()];
    int count = 0;
    for (Map.Entry<Long, Float> place : places.entrySet()) {
      index[count] = place.getKey();
      numbers[count++] = place.getValue();
    }
    Tensor at = Creation.ofLongs(index, index.length).to(logits.device());
    Tensor bias = Creation.ofFloats(numbers, numbers.length).to(logits.device());
    Tensor copy = logits.copy();
    Tensor flat = copy.reshape(-1);
    flat.indexCopyInPlace(0, at, flat.gather(0, at).add(bias));
    return copy;
  }

  /** Logits (b, v) that leave only these tokens, all equally likely. */
  static Tensor only(Tensor like, List<Long> ids) {
    return nothing(like).indexFillInPlace(1, index(ids, like), 0);
  }

  /** Logits (b, v) that rule everything out. */
  static Tensor nothing(Tensor like) {
    return Creation.empty(like.dtype(), like.device(), like.size(0), like.size(1))
        .fillInPlace(Double.NEGATIVE_INFINITY);
  }

  /** These ids as an int64 vector on the logits' device, checked against the vocabulary. */
  static Tensor index(List<Long> ids, Tensor logits) {
    long[] values = ids.stream().mapToLong(Long::longValue).toArray();
    checkInVocabulary(values, logits.size(1));
    return Creation.ofLongs(values, values.length).to(logits.device());
  }

  static void checkInVocabulary(long[] ids, long vocabSize) {
    long highest = Arrays.stream(ids).max().orElse(0);
    if (highest >= vocabSize || Arrays.stream(ids).anyMatch(id -> id < 0)) {
      throw new IllegalArgumentException(
          "The tokens "
              + Arrays.toString(ids)
              + " of a generation setting are not all in the vocabulary: expected 0 to "
              + (vocabSize - 1)
              + ".");
    }
  }
}
