package org.peftjava.transformers.model.roberta;

import java.util.OptionalLong;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.PositionIds;
import org.peftjava.transformers.model.Positions;

/**
 * Positions counted over the tokens other than the padding token, from its id + 1 on; padding has
 * the position of its id. A prefix counts as tokens.
 *
 * <p>As a decoder it counts those that the mask keeps, all without one, so that a text has the same
 * positions while it is generated.
 *
 * <p>Reference: {@code RobertaEmbeddings.create_position_ids_from_input_ids}.
 */
record RobertaPositions(RobertaConfig config) implements PositionIds {
  @Override
  public Tensor of(BackboneInput input, Device device) {
    Tensor ids = input.inputIds();
    if (input.positionIds() != null) {
      return given(input.positionIds());
    }
    long past = input.pastLength();
    Positions.checkLength(past + input.tokens(), config.maxPositionEmbeddings());
    int padding = config.paddingIdx();
    if (config.isDecoder() && input.attentionMask() != null) {
      // what is padded among the tokens before is in the mask alone
      return Positions.of(input, config.maxPositionEmbeddings()).add(padding + 1.0);
    }
    if (ids == null || config.isDecoder()) {
      long first = padding + 1 + past;
      return Creation.arange(first, first + input.tokens(), device).reshape(1, input.tokens());
    }
    try (TensorScope scope = TensorScope.open("positions")) {
      Tensor real = ids.ne(padding).to(DType.INT64);
      return scope.keep(real.cumsum(1).add((double) past).mul(real).add(padding));
    }
  }

  @Override
  public long tableSize() {
    return config.json().getInt("max_position_embeddings");
  }

  @Override
  public OptionalLong paddingIdx() {
    return OptionalLong.of(config.paddingIdx());
  }
}
