package org.peftjava.transformers.model;

import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;

/**
 * Even noise on token embeddings, which makes fine-tuned models answer better (NEFTune).
 *
 * <p>Reference: transformers' {@code neftune_post_forward_hook}, with libtorch's random numbers.
 * Paper: arXiv:2310.05914.
 */
public final class EmbeddingNoise {
  private EmbeddingNoise() {}

  /**
   * The embeddings (b, t, e) with noise up to {@code alpha / sqrt(t e)} on each side; as they are
   * for an alpha of 0.
   */
  public static Tensor on(Tensor embeddings, double alpha) {
    if (alpha == 0) {
      return embeddings;
    }
    float size = (float) embeddings.size(1) * embeddings.size(2);
    float most = (float) alpha / (float) Math.sqrt(size);
    Tensor noise =
        Creation.zeros(embeddings.dtype(), embeddings.device(), embeddings.shape().toArray());
    return embeddings.add(noise.uniformInPlace(-most, most));
  }
}
