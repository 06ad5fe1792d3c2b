package org.peftjava.transformers.model;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.FusedAttention;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * The keys and values of the tokens that a model has seen, per layer, so that each new token costs
 * one token's work.
 *
 * <p>Memory for {@code capacity} tokens is reserved at once and doubled when it is full; a new
 * token is written in place. Letters: {@code b} batch, {@code h} heads, {@code t} new tokens,
 * {@code s} all tokens, {@code d} size of a head. The cache owns its memory: close it. Not for
 * recording gradients, which in-place writes would falsify; a {@link PrefixCache} is.
 */
public sealed class KvCache implements AutoCloseable permits PrefixCache {
  private static final long SMALLEST = 16;

  private final @Nullable Tensor[] keys;
  private final @Nullable Tensor[] values;
  private final Map<Object, List<Tensor>> constants = new HashMap<>();
  private final Map<Object, KvCache> beside = new HashMap<>();
  private final long initialCapacity;
  private long length;
  private long expected;

  /** An empty cache for this many layers. */
  public KvCache(int layers, long initialCapacity) {
    this.keys = new @Nullable Tensor[layers];
    this.values = new @Nullable Tensor[layers];
    this.initialCapacity = Math.max(SMALLEST, initialCapacity);
  }

  /**
   * Keys and values of all tokens so far.
   *
   * @param keys (b, h, s, d), a view of the cache
   * @param values (b, h, s, d), a view of the cache
   */
  public record KeyValues(Tensor keys, Tensor values) {}

  /** Tokens seen by all layers. */
  public long length() {
    return length;
  }

  /** How many layers have a place in the cache. */
  public int layers() {
    return keys.length;
  }

  /**
   * One layer's keys and values of the {@link #length()} tokens so far, views of the cache.
   *
   * @throws IllegalStateException if it has none
   */
  public KeyValues get(int layer) {
    Tensor ofKeys = keys[layer];
    Tensor ofValues = values[layer];
    if (ofKeys == null || ofValues == null || length == 0) {
      throw new IllegalStateException("The cache holds no keys and values of layer " + layer + ".");
    }
    return new KeyValues(ofKeys.narrow(2, 0, length), ofValues.narrow(2, 0, length));
  }

  /**
   * Writes one layer's keys and values (b, h, t, d) behind those of {@link #length()} tokens and
   * returns all. The length grows only when {@link #advance} says that every layer has written.
   */
  public KeyValues append(int layer, Tensor newKeys, Tensor newValues) {
    if (GradMode.isEnabled() && newKeys.requiresGrad()) {
      throw new IllegalStateException(
          "A KvCache was passed while gradients are recorded. Train without a cache, or generate"
              + " inside GradMode.noGrad().");
    }
    long end = length + newKeys.size(2);
    return new KeyValues(
        write(keys, layer, newKeys, end, "keys"), write(values, layer, newValues, end, "values"));
  }

  /** Counts {@code tokens} more as seen. */
  public void advance(long tokens) {
    length += tokens;
  }

  /**
   * Says how long the sequence will be when the tokens of the next passes have come, padding not
   * counted, so that parts of it are rotated as the whole is.
   */
  public void expect(long positions) {
    expected = positions;
    beside.values().forEach(cache -> cache.expect(positions));
  }

  /** What {@link #expect} said last; 0 at first. */
  public long expected() {
    return expected;
  }

  /** The number of tokens that the cache makes room for. */
  public long capacity() {
    return Math.max(initialCapacity, length);
  }

  /**
   * The cache of a second model that reads the same tokens, such as one whose states an adapter
   * takes in: made when it is first asked for. What happens to the rows and tokens of this cache
   * happens to it too.
   *
   * @param model of whom it is
   * @param layers how many layers that model has
   */
  public KvCache beside(Object model, int layers) {
    return beside.computeIfAbsent(model, key -> new KvCache(layers, capacity()));
  }

  /** What {@link #keepConstants} was given under this key; none at first. */
  List<Tensor> constants(Object key) {
    return constants.getOrDefault(key, List.of());
  }

  /**
   * Takes over tensors that depend on positions alone, such as tables of rotations, so that they
   * are computed once for all steps. Replaces those of the same key.
   */
  List<Tensor> keepConstants(Object key, List<Tensor> tensors) {
    List<Tensor> kept = tensors.stream().map(tensor -> tensor.alias().escape()).toList();
    constants.getOrDefault(key, List.of()).forEach(Tensor::close);
    constants.put(key, kept);
    return kept;
  }

  /** Replaces each row by {@code copies} rows in a place, all equal, as for beams of one prompt. */
  public void expand(int copies) {
    try (TensorScope scope = TensorScope.open("kv cache expansion");
        GradMode off = GradMode.noGrad()) {
      expand(keys, copies);
      expand(values, copies);
      beside.values().forEach(cache -> cache.expand(copies));
    }
  }

  private void expand(@Nullable Tensor[] memory, int copies) {
    for (int layer = 0; layer < memory.length; layer++) {
      Tensor old = memory[layer];
      if (old != null) {
        Tensor more =
            Creation.empty(
                old.dtype(),
                old.device(),
                old.size(0) * copies,
                old.size(1),
                old.size(2),
                old.size(3));
        Tensor grouped =
            more.reshape(old.size(0), copies, old.size(1), old.size(2), old.size(3))
                .narrow(3, 0, length);
        grouped.copyInPlace(old.narrow(2, 0, length).unsqueeze(1));
        free(memory, layer);
        memory[layer] = more.escape();
      }
    }
  }

  /**
   * Lets row i go on from what row {@code rows[i]} holds. Only rows that change are copied, and of
   * them only the tokens from {@code from} on: the rows of one prompt share what is before.
   */
  public void reorder(long[] rows, long from) {
    long[] moved =
        IntStream.range(0, rows.length).filter(row -> rows[row] != row).asLongStream().toArray();
    if (moved.length == 0 || from >= length) {
      return;
    }
    long[] origins = LongStream.of(moved).map(row -> rows[(int) row]).toArray();
    try (TensorScope scope = TensorScope.open("kv cache reordering");
        GradMode off = GradMode.noGrad()) {
      Tensor targets = Creation.ofLongs(moved, moved.length);
      Tensor sources = Creation.ofLongs(origins, origins.length);
      for (int layer = 0; layer < keys.length; layer++) {
        move(keys[layer], targets, sources, from);
        move(values[layer], targets, sources, from);
      }
    }
    beside.values().forEach(cache -> cache.reorder(rows, from));
  }

  private void move(@Nullable Tensor memory, Tensor targets, Tensor sources, long from) {
    if (memory != null) {
      try (TensorScope scope = TensorScope.open("kv cache rows")) {
        Tensor tokens = memory.narrow(2, from, length - from);
        Tensor rows = tokens.indexSelect(0, sources.to(memory.device()));
        tokens.indexCopyInPlace(0, targets.to(memory.device()), rows);
      }
    }
  }

  /** Forgets all but the first tokens. */
  public void crop(long tokens) {
    if (tokens < 0 || tokens > length) {
      throw new IllegalArgumentException(
          "Cannot crop a cache of " + length + " tokens to " + tokens + ".");
    }
    length = tokens;
    beside.values().forEach(cache -> cache.crop(Math.min(tokens, cache.length())));
  }

  /** Forgets the tokens; the memory stays for the next sequence. */
  public void clear() {
    length = 0;
    expected = 0;
    beside.values().forEach(KvCache::clear);
  }

  @Override
  public void close() {
    for (int layer = 0; layer < keys.length; layer++) {
      free(keys, layer);
      free(values, layer);
    }
    constants.values().forEach(kept -> kept.forEach(Tensor::close));
    constants.clear();
    beside.values().forEach(KvCache::close);
    beside.clear();
    length = 0;
  }

  private Tensor write(@Nullable Tensor[] memory, int layer, Tensor fresh, long end, String name) {
    Tensor buffer = memory[layer];
    if (buffer == null || buffer.size(2) < end) {
      buffer = grow(memory, layer, fresh, end);
    }
    if (buffer.size(1) != fresh.size(1) || buffer.size(3) != fresh.size(3)) {
      throw new IllegalArgumentException(
          "The cache holds "
              + name
              + " of "
              + buffer.size(1)
              + " heads of size "
              + buffer.size(3)
              + ", but the model makes "
              + fresh.size(1)
              + " of size "
              + fresh.size(3)
              + ".");
    }
    if (buffer.size(0) != fresh.size(0)) {
      throw new IllegalArgumentException(
          "The cache holds "
              + name
              + " of "
              + buffer.size(0)
              + " rows, but the batch has "
              + fresh.size(0)
              + ". Use one cache per batch.");
    }
    FusedAttention.copy(fresh, buffer.narrow(2, length, fresh.size(2)));
    return buffer.narrow(2, 0, end);
  }

  private Tensor grow(@Nullable Tensor[] memory, int layer, Tensor like, long end) {
    Tensor old = memory[layer];
    long capacity = Math.max(end, old == null ? initialCapacity : 2 * old.size(2));
    try (TensorScope scope = TensorScope.open("kv cache growth");
        GradMode off = GradMode.noGrad()) {
      Tensor larger =
          Creation.empty(
              like.dtype(), like.device(), like.size(0), like.size(1), capacity, like.size(3));
      if (old != null && length > 0) {
        larger.narrow(2, 0, length).copyInPlace(old.narrow(2, 0, length));
      }
      free(memory, layer);
      memory[layer] = larger.escape();
      return larger;
    }
  }

  private static void free(@Nullable Tensor[] memory, int layer) {
    Tensor old = memory[layer];
    if (old != null) {
      old.close();
      memory[layer] = null;
    }
  }
}
