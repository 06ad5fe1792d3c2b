package org.peftjava.torch;

import org.jspecify.annotations.Nullable;

/** A tensor that is kept for the backward pass: itself, or how it is computed again. */
final class Saved implements AutoCloseable {
  private final @Nullable Tensor tensor;
  private final @Nullable Recipe recipe;
  private boolean closed;

  private Saved(@Nullable Tensor tensor, @Nullable Recipe recipe) {
    this.tensor = tensor;
    this.recipe = recipe;
  }

  static Saved of(Tensor tensor) {
    Recipe recipe = tensor.recipe();
    if (recipe == null) {
      return new Saved(tensor.alias().escape(), null);
    }
    recipe.retain();
    return new Saved(null, recipe);
  }

  /** The values; valid until this is closed. */
  Tensor get() {
    if (recipe != null) {
      return recipe.value();
    }
    if (tensor == null) {
      throw new IllegalStateException("A saved tensor is neither kept nor computed again.");
    }
    return tensor;
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (recipe != null) {
      recipe.release();
    }
    if (tensor != null) {
      tensor.close();
    }
  }
}
