package org.peftjava.transformers;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.model.KvCache;

/** A language model as the generation loop sees it: logits of the last position, and a cache. */
record Decoding(CausalLanguageModel model) implements DecoderModel {
  @Override
  public Tensor logits(Tensor ids, @Nullable Tensor attentionMask, @Nullable KvCache past) {
    ModelInput input =
        ModelInput.builder()
            .inputIds(ids)
            .attentionMask(attentionMask)
            .past(past)
            .logitsToKeep(1)
            .build();
    return model.forward(input).logits().orElseThrow().squeeze(1);
  }

  @Override
  public KvCache newCache(long capacity) {
    return model.newCache(capacity);
  }

  @Override
  public int maxPositions() {
    return model.config().longestSequence();
  }

  @Override
  public int vocabSize() {
    return model.config().vocabSize();
  }

  @Override
  public Device device() {
    return model.device();
  }
}
