package org.peftjava.peft.prompt;

import java.util.OptionalDouble;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.cpt.CPTConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * The loss of context-aware prompt tuning: of the answers in the virtual tokens and of the text's
 * own, where earlier answers may count less.
 *
 * <p>Reference: PEFT {@code CPTEmbedding.calculate_loss, PeftModelForCausalLM._cpt_forward}.
 */
final class ContextLoss {
  /** The type of an answer's token, and the number of types of an example. */
  private static final int ANSWER = 4;

  private final CPTConfig config;

  ContextLoss(CPTConfig config) {
    this.config = config;
  }

  /**
   * The mean over the tokens of answers.
   *
   * @param logits (b, n + t, v)
   * @param labels (b, t)
   * @param types (b, t), what part of which example each token is; null if all are answers
   * @param divisor how many labels the whole step has; empty if this is all of it
   */
  Tensor of(Tensor logits, Tensor labels, @Nullable Tensor types, OptionalDouble divisor) {
    int rows = (int) labels.size(0);
    int width = (int) labels.size(1);
    int n = config.cptTokenIds().size();
    long last = config.cptTokensTypeMask().stream().mapToLong(type -> type).max().orElse(0);
    long[] own = labels.toLongs();
    long[] ownTypes = types == null ? new long[0] : types.to(DType.INT64).toLongs();
    long[] wanted = new long[rows * (n + width - 1)];
    float[] weights = new float[wanted.length];
    int counted = 0;
    int ofText = 0;
    for (int row = 0; row < rows; row++) {
      long[] all = new long[n + width];
      long[] kinds = new long[n + width];
      for (int i = 0; i < n; i++) {
        all[i] = config.cptTokenIds().get(i);
        kinds[i] = config.cptTokensTypeMask().get(i);
      }
      for (int i = 0; i < width; i++) {
        int at = row * width + i;
        long type = types == null ? ANSWER : ownTypes[at];
        all[n + i] = own[at];
        kinds[n + i] = type > 0 ? type + last : type;
        ofText += i > 0 && own[at] != CrossEntropy.IGNORED ? 1 : 0;
      }
      TreeSet<Long> answers = new TreeSet<>();
      for (int i = 1; i < kinds.length; i++) {
        if (isAnswer(kinds[i])) {
          answers.add(kinds[i]);
        }
      }
      for (int i = 1; i < kinds.length; i++) {
        int at = row * (kinds.length - 1) + i - 1;
        if (isAnswer(kinds[i]) && all[i] != CrossEntropy.IGNORED) {
          wanted[at] = all[i];
          weights[at] = (float) weight(answers.tailSet(kinds[i], false).size());
          counted++;
        }
      }
    }
    double share = divisor.isPresent() ? ofText / divisor.getAsDouble() : 1;
    return mean(logits, wanted, weights, counted, share);
  }

  private static boolean isAnswer(long kind) {
    return kind > 0 && kind % ANSWER == 0;
  }

  /** The weight of an answer with so many answers after it. */
  private double weight(int later) {
    return config.optWeightedLossType().equals("decay")
        ? Math.pow(config.optLossDecayFactor(), later)
        : 1;
  }

  private static Tensor mean(
      Tensor logits, long[] wanted, float[] weights, int counted, double share) {
    try (TensorScope scope = TensorScope.open("context loss")) {
      long rows = logits.size(0);
      long width = logits.size(1) - 1;
      Tensor flat = logits.narrow(1, 0, width).reshape(rows * width, logits.size(2));
      Tensor ids = Creation.ofLongs(wanted, wanted.length, 1).to(logits.device());
      Tensor each = Ops.logSoftmax(flat, 1, DType.FLOAT32).gather(1, ids).squeeze(1);
      Tensor weight = Creation.ofFloats(weights, weights.length).to(logits.device());
      return scope.keep(each.mul(weight).sum().mul(-share / counted));
    }
  }
}
