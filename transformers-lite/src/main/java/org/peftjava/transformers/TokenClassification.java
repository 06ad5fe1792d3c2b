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

/** A backbone with a head that gives each token one of n labels, such as the parts of names. */
public final class TokenClassification extends TaskModel {
  private final Head head;

  TokenClassification(PretrainedConfig config, DType dtype) {
    super(config, Task.TOKEN_CLASSIFICATION, dtype);
    head = addHead(dtype);
  }

  @Override
  ModelOutput forward(ModelInput input, @Nullable LayerTrace trace) {
    try (TensorScope scope = TensorScope.open("TokenClassification.forward")) {
      LabelCheck.eachToken(input);
      BackboneInput in = input.backboneInput(trace);
      Tensor logits = head.logits(backbone(), backbone().forward(in), in);
      Optional<Tensor> loss = Optional.empty();
      if (input.labels() != null) {
        TokenLoss each = TokenLoss.of(input.labels(), logits.size(2), input);
        loss = Optional.of(scope.keep(each.ofLogits(logits)));
      }
      return new ModelOutput(loss, Optional.of(scope.keep(logits)));
    }
  }

  @Override
  public long labelCount() {
    return Labels.of(config().json()).count();
  }

  @Override
  public TokenClassification module() {
    return this;
  }
}
