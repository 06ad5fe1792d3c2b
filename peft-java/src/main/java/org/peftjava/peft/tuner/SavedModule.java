package org.peftjava.peft.tuner;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * A layer of the base model with full trainable copies of it, one for each adapter that lists it in
 * modulesToSave.
 *
 * <p>The copy of the active adapter takes the layer's place. Names of parameters are Python's:
 * {@code original_module.weight}, {@code modules_to_save.<adapter>.weight}. Reference: PEFT {@code
 * utils/other.py::ModulesToSaveWrapper}.
 */
public abstract sealed class SavedModule extends Module implements LayerWrapper
    permits SavedLinear, SavedEmbedding, SavedLayer {
  private static final class Copies extends Module {
    void put(String adapter, Module copy) {
      child(adapter, copy);
    }

    Module take(String adapter) {
      return removeChild(adapter);
    }
  }

  private final AdapterSet set;
  private final Module original;
  private final Copies copies;
  private final Map<String, Module> byAdapter = new LinkedHashMap<>();

  SavedModule(AdapterSet set, Module original) {
    this.set = set;
    this.original = child("original_module", original);
    copies = child("modules_to_save", new Copies());
  }

  /** The wrapper that can stand where {@code original} stands. */
  static SavedModule over(AdapterSet set, Module original) {
    if (original instanceof LinearLayer) {
      return new SavedLinear(set, original);
    }
    return original instanceof EmbeddingLayer
        ? new SavedEmbedding(set, original)
        : new SavedLayer(set, original);
  }

  @Override
  public final Module original() {
    return original;
  }

  @Override
  public final AdapterSet adapterSet() {
    return set;
  }

  /** The copies by adapter. */
  public final Map<String, Module> copies() {
    return Collections.unmodifiableMap(byAdapter);
  }

  /** The module that acts now: the active adapter's copy, or the original. */
  public final Module acting() {
    if (set.isEnabled()) {
      for (String name : set.active()) {
        Module copy = byAdapter.get(name);
        if (copy != null) {
          return copy;
        }
      }
    }
    return original;
  }

  /** The acting module's output, or of each row the module's of its adapter. */
  final Tensor acted(Tensor input) {
    return set.rows()
        .map(rows -> MixedForward.of(this, rows, input))
        .orElseGet(() -> acting(Layer.class).forward(input));
  }

  /** The acting module as what the model calls it by. */
  final <T extends Layer> T acting(Class<T> type) {
    return type.cast(acting());
  }

  final void add(String adapter) {
    Module copy = ModuleCopies.copyOf(original);
    copy.train(isTraining());
    copies.put(adapter, copy);
    byAdapter.put(adapter, copy);
  }

  /** Adds a copy whose weight is that of another module's copy. */
  final void addTied(String adapter, SavedModule owner) {
    add(adapter);
    Module copy = Objects.requireNonNull(byAdapter.get(adapter));
    Parameter own = Objects.requireNonNull(copy.ownParameters().get("weight"));
    Module other = Objects.requireNonNull(owner.byAdapter.get(adapter));
    copy.share("weight", Objects.requireNonNull(other.ownParameters().get("weight")));
    own.close();
  }

  final void delete(String adapter) {
    if (byAdapter.remove(adapter) != null) {
      copies.take(adapter).close();
    }
  }

  /** Throws if more than one of these adapters has a copy of this module. */
  final void checkActivation(String path, List<String> adapters) {
    List<String> owners = adapters.stream().filter(byAdapter::containsKey).toList();
    if (owners.size() > 1) {
      throw new IllegalArgumentException(
          "Adapters "
              + owners
              + " each have a full copy of module \""
              + path
              + "\" (modulesToSave), of which only one can act. Activate one of them.");
    }
  }
}
