package org.peftjava.transformers;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Task;

/**
 * A backbone with a head that tells which token stands behind a mask.
 *
 * <p>With labels, and unless logits are asked for too, only the positions whose labels count go
 * through the head: in training that is one in seven.
 */
public final class MaskedLM extends TaskModel {
  private final Head head;

  MaskedLM(PretrainedConfig config, DType dtype) {
    super(config, Task.MASKED_LM, dtype);
    head = addHead(dtype);
  }

  @Override
  ModelOutput forward(ModelInput input, @Nullable LayerTrace trace) {
    try (TensorScope scope = TensorScope.open("MaskedLM.forward")) {
      LabelCheck.eachToken(input);
      BackboneInput in = input.backboneInput(trace);
      Tensor hidden = backbone().forward(in);
      if (input.labels() == null) {
        Tensor logits = head.logits(backbone(), hidden, in);
        return new ModelOutput(Optional.empty(), Optional.of(scope.keep(logits)));
      }
      TokenLoss each = TokenLoss.of(input.labels(), config().vocabSize(), input);
      if (input.outputLogits()) {
        Tensor logits = head.logits(backbone(), hidden, in);
        Tensor loss = scope.keep(each.ofLogits(logits));
        return new ModelOutput(Optional.of(loss), Optional.of(scope.keep(logits)));
      }
      Tensor logits = head.logits(backbone(), each.counting(hidden), in);
      return new ModelOutput(
          Optional.of(scope.keep(each.ofCountingLogits(logits))), Optional.empty());
    }
  }

  @Override
  public MaskedLM module() {
    return this;
  }
}
