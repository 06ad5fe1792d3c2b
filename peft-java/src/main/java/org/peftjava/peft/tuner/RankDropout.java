package org.peftjava.peft.tuner;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * The dropout of the LyCORIS methods: rows of the update, and the whole update.
 *
 * <p>Reference: PEFT {@code LoHaLayer.get_delta_weight, forward}.
 *
 * @param rank probability that an output row of the update is dropped
 * @param module probability that the update is left out
 * @param rescaled whether kept rows are divided by the share that was kept
 */
public record RankDropout(double rank, double module, boolean rescaled) {
  /** The update (o, d) with rows dropped. */
  public Tensor apply(Tensor delta) {
    if (rank == 0) {
      return delta;
    }
    Tensor kept = draw(delta.size(0)).gt(rank).to(delta.dtype()).reshape(-1, 1);
    return delta.mul((rescaled ? kept.div(kept.mean()) : kept).to(delta.device()));
  }

  /** Draws whether this pass goes without the update. */
  public boolean skipsModule() {
    return module > 0 && !(draw(1).toDouble() > module);
  }

  private static Tensor draw(long count) {
    return Creation.zeros(DType.FLOAT32, count).uniformInPlace(0, 1);
  }
}
