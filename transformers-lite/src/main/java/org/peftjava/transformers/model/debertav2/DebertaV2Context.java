package org.peftjava.transformers.model.debertav2;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.LayerContext;
import org.peftjava.transformers.model.LayerTrace;

/**
 * What every layer needs besides the hidden state.
 *
 * @param distances what tokens attend to distances by, or null
 * @param padding (b, t), 1 for tokens and 0 for padding; null if nothing is padded
 * @param trace what the pass keeps of its way, or null
 */
record DebertaV2Context(
    @Nullable Distances distances, @Nullable Tensor padding, @Nullable LayerTrace trace)
    implements LayerContext<DebertaV2Context> {

  @Override
  public List<Tensor> tensors() {
    List<Tensor> all = new ArrayList<>();
    if (distances != null) {
      all.add(distances.vectors());
      all.add(distances.index());
    }
    if (padding != null) {
      all.add(padding);
    }
    return all;
  }

  @Override
  public DebertaV2Context with(List<Tensor> tensors) {
    Iterator<Tensor> next = tensors.iterator();
    return new DebertaV2Context(
        distances == null ? null : new Distances(next.next(), next.next()),
        padding == null ? null : next.next(),
        trace);
  }

  @Override
  public @Nullable KvCache past() {
    return null;
  }
}
