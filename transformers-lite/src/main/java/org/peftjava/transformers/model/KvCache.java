package org.peftjava.transformers.model;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.StepPlace;
import org.peftjava.torch.Tensor;

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

  private final KvMemory memory;
  private final Map<Object, List<Tensor>> constants = new HashMap<>();
  private final Map<Object, KvCache> beside = new HashMap<>();
  private final long initialCapacity;
  private long length;
  private long expected;
  private long cleared; // how often
  private @Nullable StepPlace place;

  /** An empty cache for this many layers. */
  public KvCache(int layers, long initialCapacity) {
    this.initialCapacity = Math.max(SMALLEST, initialCapacity);
    memory = new KvMemory(layers, this.initialCapacity);
  }

  /**
   * Keys and values of all tokens so far.
   *
   * @param keys (b, h, s, d), a view of the cache
   * @param values (b, h, s, d), a view of the cache
   */
  public record KeyValues(Tensor keys, Tensor values) {}

  /**
   * Tokens seen by all layers.
   *
   * @throws IllegalStateException within {@link #at}
   */
  public long length() {
    checkCounting();
    return length;
  }

  /** How many layers have a place in the cache. */
  public int layers() {
    return memory.layers();
  }

  /**
   * One layer's keys and values of the {@link #length()} tokens so far, views of the cache.
   *
   * @throws IllegalStateException if it has none
   */
  public KeyValues get(int layer) {
    checkCounting();
    if (length == 0 || !memory.has(layer)) {
      throw new IllegalStateException("The cache holds no keys and values of layer " + layer + ".");
    }
    return memory.first(layer, length);
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
    checkCounting();
    return memory.append(layer, newKeys, newValues, length);
  }

  /** Counts {@code tokens} more as seen. */
  public void advance(long tokens) {
    checkCounting();
    length += tokens;
  }

  /** How many tokens every layer has memory for; 0 if they differ or one has none. */
  public long room() {
    return memory.room();
  }

  /** Another number when a layer has other memory than before, or all tokens were forgotten. */
  public long changes() {
    return memory.changes() + cleared;
  }

  /** Fills what no token has written with 0, so that it may be read and left out. */
  public void blank() {
    memory.blank(length);
  }

  /**
   * Runs a pass of one token a row that comes at a place which only the device knows, and that
   * {@link #room} holds. The pass reads and writes all of a layer's memory ({@link #whole}); how
   * many tokens there are it must not ask, and the caller counts.
   */
  public void at(StepPlace where, Runnable pass) {
    place = where;
    try {
      pass.run();
    } finally {
      place = null;
    }
  }

  /** The place, within {@link #at}; else null. */
  @Nullable StepPlace place() {
    return place;
  }

  /** One layer's memory (b, h, {@link #room}, d), within {@link #at}. */
  KeyValues whole(int layer) {
    return memory.first(layer, Objects.requireNonNull(place).capacity());
  }

  private void checkCounting() {
    if (place != null) {
      throw new IllegalStateException(
          "Only the device knows how many tokens there are: this pass is to be recorded.");
    }
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
    checkCounting();
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
    memory.expand(copies, length);
    beside.values().forEach(cache -> cache.expand(copies));
  }

  /**
   * Lets row i go on from what row {@code rows[i]} holds. Only rows that change are copied, and of
   * them only the tokens from {@code from} on: the rows of one prompt share what is before.
   */
  public void reorder(long[] rows, long from) {
    if (from < length) {
      memory.reorder(rows, from, length);
    }
    beside.values().forEach(cache -> cache.reorder(rows, from));
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
    cleared++;
    beside.values().forEach(KvCache::clear);
  }

  @Override
  public void close() {
    memory.close();
    constants.values().forEach(kept -> kept.forEach(Tensor::close));
    constants.clear();
    beside.values().forEach(KvCache::close);
    beside.clear();
    length = 0;
  }
}
