package org.peftjava.transformers;

import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.config.Labels;

/**
 * The loss of judging whole texts, computed in float32.
 *
 * <p>Reference: transformers' {@code ForSequenceClassificationLoss}. Letters: {@code b} batch,
 * {@code n} labels. With a divisor the sum over the texts is divided by it, else by their number.
 */
public final class SequenceLoss {
  private SequenceLoss() {}

  /**
   * The loss where labels alone say what the problem is, a scalar of the current scope.
   *
   * @param logits (b, n)
   * @param labels as {@link ModelInput#labels} takes them
   * @param input with the divisor of the sum and the like
   */
  public static Tensor loss(Tensor logits, Tensor labels, ModelInput input) {
    int count = Math.toIntExact(logits.size(1));
    String problem = problemType(labels, count);
    Tensor known = count == 1 ? labels.to(DType.FLOAT32) : labels;
    check(known, problem, logits.size(0), count);
    return of(logits, known, problem, input);
  }

  /** What the problem is if the config does not say: told from the number and type of labels. */
  static String problemType(Tensor labels, int count) {
    if (count == 1) {
      return Labels.REGRESSION;
    }
    return labels.dtype().isFloatingPoint() ? Labels.MULTI_LABEL : Labels.SINGLE_LABEL;
  }

  /** Throws unless labels fit the batch and the problem. */
  static void check(Tensor labels, String problemType, long batch, int count) {
    boolean single = problemType.equals(Labels.SINGLE_LABEL);
    boolean flat = single || count == 1;
    if (single) {
      LabelCheck.whole(labels, "labels");
    } else if (!labels.dtype().isFloatingPoint()) {
      throw new IllegalArgumentException(
          "labels are "
              + labels.dtype()
              + " for "
              + problemType
              + ". Expected floating-point numbers.");
    }
    boolean fits =
        labels.rank() > 0
            && labels.size(0) == batch
            && (flat
                ? labels.numel() == batch && labels.rank() <= 2
                : labels.rank() == 2 && labels.size(1) == count);
    if (!fits) {
      throw new IllegalArgumentException(
          "labels have shape "
              + labels.shape()
              + " for "
              + problemType
              + " of "
              + batch
              + " texts with "
              + count
              + " labels. Expected ["
              + batch
              + (flat ? "]." : ", " + count + "]."));
    }
  }

  /**
   * The loss.
   *
   * @param logits (b, n)
   * @param labels (b) int64 for one label each; (b) or (b, n) numbers else
   */
  static Tensor of(Tensor logits, Tensor labels, String problemType, ModelInput input) {
    if (problemType.equals(Labels.SINGLE_LABEL)) {
      return TokenLoss.of(labels, logits.size(1), input).ofLogits(logits);
    }
    if (input.labelSmoothing() != 0) {
      throw new IllegalArgumentException(
          "labelSmoothing is "
              + input.labelSmoothing()
              + " for "
              + problemType
              + ". It is for labels of which one is right: expected 0.");
    }
    Tensor x = logits.to(DType.FLOAT32);
    Tensor y = labels.to(DType.FLOAT32).reshape(logits.shape().toArray());
    Tensor each = problemType.equals(Labels.REGRESSION) ? x.sub(y).pow(2) : crossEntropies(x, y);
    return each.sum().div(logits.size(1) * input.lossDivisor().orElse(logits.size(0)));
  }

  /**
   * The loss of a model with {@link org.peftjava.transformers.model.Architecture#hasSharedLabels
   * shared labels} whose config has no problem type: squared errors of one number; the cross
   * entropy of one label, over those from 0 on, 0 if there is none; or that of the shares (b, n) of
   * several labels.
   */
  static Tensor ofSharedLabels(Tensor logits, Tensor labels, ModelInput input) {
    long batch = logits.size(0);
    int count = (int) logits.size(1);
    if (count == 1) {
      check(labels, Labels.REGRESSION, batch, count);
      return of(logits, labels, Labels.REGRESSION, input);
    }
    if (labels.rank() == 2 && labels.size(1) > 1) {
      Tensor shares = labels.to(DType.FLOAT32);
      check(shares, Labels.MULTI_LABEL, batch, count);
      Tensor logs = Ops.logSoftmax(logits, -1, DType.FLOAT32);
      return logs.mul(shares).sum().div(-input.lossDivisor().orElse(batch));
    }
    check(labels, Labels.SINGLE_LABEL, batch, count);
    Tensor ignored = labels.lt(0);
    Tensor counting = labels.maskedFill(ignored, CrossEntropy.IGNORED);
    return counting.max().toLong() < 0
        ? logits.sum().mul(0)
        : of(logits, counting, Labels.SINGLE_LABEL, input);
  }

  /** {@code -y log sigmoid(x) - (1 - y) log sigmoid(-x)}. */
  private static Tensor crossEntropies(Tensor x, Tensor y) {
    Tensor zeros = Creation.zeros(DType.FLOAT32, x.device(), x.shape().toArray());
    Tensor logs = Ops.logSoftmax(Creation.stack(List.of(x, zeros), -1), -1, DType.FLOAT32);
    Tensor yes = logs.select(-1, 0).mul(y);
    Tensor no = logs.select(-1, 1).mul(y.neg().add(1));
    return yes.add(no).neg();
  }
}
