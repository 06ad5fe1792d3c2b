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
    for (int axis : new int[] {0, 1, 3}) {
      if (before.keys().size(axis) != newKeys.size(axis)) {
        throw new IllegalArgumentException(
            "The prefix of layer "
                + layer
                + " has shape "
                + before.keys().shape()
                + ", but the keys of the batch have "
                + newKeys.shape()
                + ". Only the third size, the number of tokens, may differ.");
      }
    }
    return new KeyValues(
        Creation.cat(List.of(before.keys(), newKeys), 2),
        Creation.cat(List.of(before.values(), newValues), 2));
  }

  @Override
  public KeyValues get(int layer) {
    return prefix.get(layer);
  }

  /** Does nothing: the next pass sees the same prefix. */
  @Override
  public void advance(long tokens) {}

  @Override
  public long capacity() {
    return length();
  }
}
