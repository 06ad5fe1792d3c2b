package org.peftjava.transformers.model;

import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.FusedAttention;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.KvCache.KeyValues;

/**
 * The memory of a {@link KvCache}: for each layer keys and values (b, h, c, d), of which the first
 * {@code length} tokens of c count. It grows by itself, and owns what it holds.
 */
final class KvMemory {
  private final @Nullable Tensor[] keys;
  private final @Nullable Tensor[] values;
  private final long initialCapacity;
  private long changes;

  /** No memory for so many layers; the first is for so many tokens. */
  KvMemory(int layers, long initialCapacity) {
    this.keys = new @Nullable Tensor[layers];
    this.values = new @Nullable Tensor[layers];
    this.initialCapacity = initialCapacity;
  }

  int layers() {
    return keys.length;
  }

  /** Whether a layer has memory. */
  boolean has(int layer) {
    return keys[layer] != null && values[layer] != null;
  }

  /** The first tokens of a layer that has memory: views. */
  KeyValues first(int layer, long tokens) {
    Tensor ofKeys = keys[layer];
    Tensor ofValues = values[layer];
    if (ofKeys == null || ofValues == null) {
      throw new IllegalStateException("There is no memory for layer " + layer + ".");
    }
    return new KeyValues(ofKeys.narrow(2, 0, tokens), ofValues.narrow(2, 0, tokens));
  }

  /** Writes keys and values (b, h, t, d) behind {@code length} tokens and returns all. */
  KeyValues append(int layer, Tensor newKeys, Tensor newValues, long length) {
    return new KeyValues(
        write(keys, layer, newKeys, length, "keys"),
        write(values, layer, newValues, length, "values"));
  }

  /** How many tokens every layer has memory for; 0 if they differ or one has none. */
  long room() {
    Tensor first = keys.length == 0 ? null : keys[0];
    long room = first == null ? 0 : first.size(2);
    for (int layer = 0; layer < keys.length; layer++) {
      Tensor ofKeys = keys[layer];
      Tensor ofValues = values[layer];
      boolean same =
          ofKeys != null && ofValues != null && ofKeys.size(2) == room && ofValues.size(2) == room;
      if (!same) {
        return 0;
      }
    }
    return room;
  }

  /** How often a layer's memory was freed, as where it became larger. */
  long changes() {
    return changes;
  }

  /** Fills what is behind {@code length} tokens with 0. */
  void blank(long length) {
    try (TensorScope scope = TensorScope.open("kv cache blank");
        GradMode off = GradMode.noGrad()) {
      for (int layer = 0; layer < keys.length; layer++) {
        blank(keys[layer], length);
        blank(values[layer], length);
      }
    }
  }

  private static void blank(@Nullable Tensor memory, long length) {
    if (memory != null && memory.size(2) > length) {
      memory.narrow(2, length, memory.size(2) - length).fillInPlace(0);
    }
  }

  /** Replaces each row by {@code copies} equal rows in its place. */
  void expand(int copies, long length) {
    try (TensorScope scope = TensorScope.open("kv cache expansion");
        GradMode off = GradMode.noGrad()) {
      expand(keys, copies, length);
      expand(values, copies, length);
    }
  }

  private void expand(@Nullable Tensor[] memory, int copies, long length) {
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

  /** Lets row i have the tokens of row {@code rows[i]} from {@code from} on. */
  void reorder(long[] rows, long from, long length) {
    long[] moved =
        IntStream.range(0, rows.length).filter(row -> rows[row] != row).asLongStream().toArray();
    if (moved.length == 0) {
      return;
    }
    long[] origins = LongStream.of(moved).map(row -> rows[(int) row]).toArray();
    try (TensorScope scope = TensorScope.open("kv cache reordering");
        GradMode off = GradMode.noGrad()) {
      Tensor targets = Creation.ofLongs(moved, moved.length);
      Tensor sources = Creation.ofLongs(origins, origins.length);
      for (int layer = 0; layer < keys.length; layer++) {
        move(keys[layer], targets, sources, from, length);
        move(values[layer], targets, sources, from, length);
      }
    }
  }

  private static void move(
      @Nullable Tensor memory, Tensor targets, Tensor sources, long from, long length) {
    if (memory != null) {
      try (TensorScope scope = TensorScope.open("kv cache rows")) {
        Tensor tokens = memory.narrow(2, from, length - from);
        Tensor rows = tokens.indexSelect(0, sources.to(memory.device()));
        tokens.indexCopyInPlace(0, targets.to(memory.device()), rows);
      }
    }
  }

  /** Frees all; later tokens get other memory. */
  void close() {
    for (int layer = 0; layer < keys.length; layer++) {
      free(keys, layer);
      free(values, layer);
    }
  }

  private Tensor write(
      @Nullable Tensor[] memory, int layer, Tensor fresh, long length, String name) {
    long end = length + fresh.size(2);
    Tensor buffer = memory[layer];
    if (buffer == null || buffer.size(2) < end) {
      buffer = grow(memory, layer, fresh, length);
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

  private Tensor grow(@Nullable Tensor[] memory, int layer, Tensor like, long length) {
    long end = length + like.size(2);
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

  private void free(@Nullable Tensor[] memory, int layer) {
    Tensor old = memory[layer];
    if (old != null) {
      old.close();
      memory[layer] = null;
      changes++;
    }
  }
}
