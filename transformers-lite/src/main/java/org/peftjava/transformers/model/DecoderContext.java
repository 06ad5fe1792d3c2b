package org.peftjava.transformers.model;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;

/**
 * The context of layers that need a mask and no more.
 *
 * @param mask which tokens each token may attend to
 * @param past keys and values of earlier tokens, or null
 * @param trace what the pass keeps of its way, or null
 */
public record DecoderContext(AttentionMask mask, @Nullable KvCache past, @Nullable LayerTrace trace)
    implements LayerContext<DecoderContext> {
  @Override
  public List<Tensor> tensors() {
    return mask.tensors();
  }

  @Override
  public DecoderContext with(List<Tensor> tensors) {
    return new DecoderContext(mask.with(tensors), past, trace);
  }
}
