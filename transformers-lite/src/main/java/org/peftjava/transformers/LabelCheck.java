package org.peftjava.transformers;

import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/** Whether labels have the shape, the type and the values that a task needs. */
final class LabelCheck {
  private LabelCheck() {}

  /** Throws unless labels, if there are any, are int64 (b, t). */
  static void eachToken(ModelInput input) {
    Tensor labels = input.labels();
    Tensor given = input.inputIds() != null ? input.inputIds() : input.inputsEmbeds();
    if (labels == null || given == null) {
      return;
    }
    if (labels.rank() != 2
        || given.rank() < 2
        || labels.size(0) != given.size(0)
        || labels.size(1) != given.size(1)) {
      throw new IllegalArgumentException(
          "labels have shape "
              + labels.shape()
              + " for an input of shape "
              + given.shape()
              + ". Expected one label per row and token, -100 where none counts.");
    }
    whole(labels, "labels");
  }

  /** Throws unless the numbers are int64. */
  static void whole(Tensor labels, String name) {
    if (labels.dtype() != DType.INT64) {
      throw new IllegalArgumentException(
          name + " are " + labels.dtype() + ". Expected int64, the numbers of the labels.");
    }
  }

  /** Throws unless each is the number of one of {@code count} labels, or -100. */
  static void range(long[] labels, long count) {
    for (long label : labels) {
      if (label != CrossEntropy.IGNORED && (label < 0 || label >= count)) {
        throw new IllegalArgumentException(
            "Label "
                + label
                + " is not one of the model's: expected 0 to "
                + (count - 1)
                + ", or "
                + CrossEntropy.IGNORED
                + " where none counts. Set numLabels(…) if there are more labels.");
      }
    }
  }
}
