package org.peftjava.transformers;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Task;

/**
 * A backbone with a head that judges whole texts: one of n labels, any number of them, or n
 * numbers. Which of the three is the config's {@code problem_type}; if it has none, the first
 * labels decide, as in Python.
 */
public final class SequenceClassification extends TaskModel {
  private final Head head;

  SequenceClassification(PretrainedConfig config, DType dtype) {
    super(config, Task.SEQUENCE_CLASSIFICATION, dtype);
    head = addHead(dtype);
  }

  @Override
  ModelOutput forward(ModelInput input, @Nullable LayerTrace trace) {
    try (TensorScope scope = TensorScope.open("SequenceClassification.forward")) {
      BackboneInput in = input.backboneInput(trace);
      Tensor labels = input.labels();
      Labels known = Labels.of(config().json());
      boolean shared = architecture().hasSharedLabels() && known.problemType().isEmpty();
      String problem =
          labels == null || shared
              ? ""
              : known
                  .problemType()
                  .orElseGet(() -> SequenceLoss.problemType(labels, known.count()));
      if (labels != null && !shared) {
        SequenceLoss.check(labels, problem, in.batch(), known.count());
      }
      Tensor logits = head.logits(backbone(), backbone().forward(in), in);
      Optional<Tensor> loss = Optional.empty();
      if (labels != null) {
        Tensor value =
            shared
                ? SequenceLoss.ofSharedLabels(logits, labels, input)
                : SequenceLoss.of(logits, labels, problem, input);
        loss = Optional.of(scope.keep(value));
        if (known.problemType().isEmpty() && !shared) {
          configure("problem_type", problem);
        }
      }
      return new ModelOutput(loss, Optional.of(scope.keep(logits)));
    }
  }

  @Override
  public long labelCount() {
    return Labels.of(config().json()).count();
  }

  @Override
  public SequenceClassification module() {
    return this;
  }
}
