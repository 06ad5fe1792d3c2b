package org.peftjava.transformers.model;

import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;

/**
 * Keys and values that stand in front of the tokens of one pass and stay as they are, such as those
 * of a prefix that is trained: gradients flow into them, and the pass adds nothing.
 *
 * <p>The keys and values stay the caller's; what else the pass keeps in here is freed by {@link
 * #close}.
 */
public final class PrefixCache extends KvCache {
  private final List<KeyValues> prefix;

  /** A prefix (b, h, s, d) for each layer, all of one length s. */
  public PrefixCache(List<KeyValues> prefix) {
    super(prefix.size(), 0);
    this.prefix = List.copyOf(prefix);
  }

  @Override
  public long length() {
    return prefix.get(0).keys().size(2);
  }

  /** The prefix and, behind it, the keys and values (b, h, t, d) of the pass: a new tensor. */
  @Override
  public KeyValues append(int layer, Tensor newKeys, Tensor newValues) {
    KeyValues before = prefix.get(layer);
    if (before.keys().size(0) != newKeys.size(0)) {
      throw new IllegalArgumentException(
          "The prefix has "
              + before.keys().size(0)
              + " rows, but the batch has "
              + newKeys.size(0)
              + ".");
    }
    return new KeyValues(
        Creation.cat(List.of(before.keys(), newKeys), 2),
        Creation.cat(List.of(before.values(), newValues), 2));
  }

  /** Does nothing: the next pass sees the same prefix. */
  @Override
  public void advance(long tokens) {}

  @Override
  public long capacity() {
    return length();
  }
}
