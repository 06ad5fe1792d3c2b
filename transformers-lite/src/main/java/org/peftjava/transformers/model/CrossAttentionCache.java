package org.peftjava.transformers.model;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.KvCache.KeyValues;

/**
 * The keys and values that a decoder's layers make of the encoder's states: made at the first
 * token, read at every later one.
 *
 * <p>Owns its memory: close it. Not for recording gradients.
 */
public final class CrossAttentionCache implements AutoCloseable {
  private final @Nullable KeyValues[] layers;

  /** An empty cache for this many layers. */
  public CrossAttentionCache(int layers) {
    this.layers = new @Nullable KeyValues[layers];
  }

  /** One layer's keys and values (b, h, s, d); {@code make} is asked only the first time. */
  public KeyValues get(int layer, Supplier<KeyValues> make) {
    KeyValues kept = layers[layer];
    if (kept == null) {
      try (TensorScope scope = TensorScope.open("cross attention cache")) {
        KeyValues fresh = make.get();
        if (GradMode.isEnabled() && fresh.keys().requiresGrad()) {
          throw new IllegalStateException(
              "A cache was passed while gradients are recorded. Train without a cache, or generate"
                  + " inside GradMode.noGrad().");
        }
        kept = new KeyValues(gapless(fresh.keys()), gapless(fresh.values()));
      }
      layers[layer] = kept;
    }
    return kept;
  }

  /** Whether the first pass over the encoder's states is done. */
  public boolean isFilled() {
    return layers.length > 0 && layers[layers.length - 1] != null;
  }

  /** Replaces each row by {@code copies} equal rows in its place. */
  public void expand(int copies) {
    for (int layer = 0; layer < layers.length; layer++) {
      KeyValues kept = layers[layer];
      if (kept != null) {
        layers[layer] =
            new KeyValues(
                Rows.replaceByCopies(kept.keys(), copies),
                Rows.replaceByCopies(kept.values(), copies));
      }
    }
  }

  private static Tensor gapless(Tensor x) {
    return (x.isContiguous() ? x.alias() : x.contiguous()).escape();
  }

  @Override
  public void close() {
    for (int layer = 0; layer < layers.length; layer++) {
      KeyValues kept = layers[layer];
      if (kept != null) {
        kept.keys().close();
        kept.values().close();
        layers[layer] = null;
      }
    }
  }
}
