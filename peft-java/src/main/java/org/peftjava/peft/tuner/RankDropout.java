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
    return rank == 0 ? delta : delta.mul(kept(delta.size(0), delta).reshape(-1, 1));
  }

  /** What an update gives, (..., o), as if its rows had been dropped. */
  public Tensor applyToOutput(Tensor y) {
    return rank == 0 ? y : y.mul(kept(y.size(-1), y));
  }

  private Tensor kept(long rows, Tensor like) {
    Tensor kept = draw(rows).gt(rank).to(like.dtype());
    return (rescaled ? kept.div(kept.mean()) : kept).to(like.device());
  }

  /** Draws whether this pass goes without the update. */
  public boolean skipsModule() {
    return module > 0 && !(draw(1).toDouble() > module);
  }

  private static Tensor draw(long count) {
    return Creation.zeros(DType.FLOAT32, count).uniformInPlace(0, 1);
  }
}
