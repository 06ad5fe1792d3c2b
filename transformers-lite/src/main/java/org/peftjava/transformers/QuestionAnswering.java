package org.peftjava.transformers;

import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Task;

/**
 * A backbone with a head that scores each token as the begin and as the end of an answer.
 *
 * <p>The loss is the mean of two cross entropies over positions. As in transformers' {@code
 * ForQuestionAnsweringLoss}, a position beyond the text does not count, and one before it is 0.
 */
public final class QuestionAnswering extends TaskModel {
  private final Head head;

  QuestionAnswering(PretrainedConfig config, DType dtype) {
    super(config, Task.QUESTION_ANSWERING, dtype);
    head = addHead(dtype);
  }

  @Override
  ModelOutput forward(ModelInput input, @Nullable LayerTrace trace) {
    try (TensorScope scope = TensorScope.open("QuestionAnswering.forward")) {
      BackboneInput in = input.backboneInput(trace);
      Tensor starts = input.startPositions();
      Tensor ends = input.endPositions();
      check(input, in.batch());
      Tensor logits = head.logits(backbone(), backbone().forward(in), in);
      Tensor startLogits = scope.keep(logits.select(-1, 0).contiguous());
      Tensor endLogits = scope.keep(logits.select(-1, 1).contiguous());
      Optional<Tensor> loss = Optional.empty();
      if (starts != null && ends != null) {
        Tensor sum =
            loss(startLogits, starts, input.lossDivisor())
                .add(loss(endLogits, ends, input.lossDivisor()));
        loss = Optional.of(scope.keep(sum.div(2)));
      }
      return ModelOutput.ofSpan(loss, startLogits, endLogits);
    }
  }

  private static Tensor loss(Tensor logits, Tensor positions, OptionalDouble divisor) {
    long tokens = logits.size(1);
    long[] labels =
        Arrays.stream(positions.toLongs())
            .map(at -> at >= tokens ? CrossEntropy.IGNORED : Math.max(0, at))
            .toArray();
    long counting = Arrays.stream(labels).filter(label -> label != CrossEntropy.IGNORED).count();
    Tensor targets = Creation.ofLongs(labels, labels.length).to(logits.device());
    return CrossEntropy.ofLogits(logits, targets, divisor.orElse(counting));
  }

  private static void check(ModelInput input, long batch) {
    if (input.labels() != null) {
      throw new IllegalArgumentException(
          "labels are given, but question answering learns from startPositions and endPositions.");
    }
    if ((input.startPositions() == null) != (input.endPositions() == null)) {
      throw new IllegalArgumentException(
          "Only one of startPositions and endPositions is given. Pass both, or none.");
    }
    check(input.startPositions(), "startPositions", batch);
    check(input.endPositions(), "endPositions", batch);
  }

  private static void check(@Nullable Tensor positions, String name, long batch) {
    if (positions == null) {
      return;
    }
    LabelCheck.whole(positions, name);
    if (positions.numel() != batch) {
      throw new IllegalArgumentException(
          name + " have shape " + positions.shape() + ". Expected [" + batch + "], one per text.");
    }
  }

  @Override
  public boolean learnsSpans() {
    return true;
  }

  @Override
  public QuestionAnswering module() {
    return this;
  }
}
