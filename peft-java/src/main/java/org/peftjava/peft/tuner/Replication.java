package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.Parameter;

/**
 * Layers of the base model that an adapter uses more than once ({@code layer_replication}). They
 * stay so until the adapters are taken off the model.
 *
 * <p>Unlike PEFT, a second adapter with the same ranges does not replicate the layers again.
 */
final class Replication {
  private final BaseModel base;
  private List<List<Integer>> ranges = List.of();
  private Set<Parameter> weightsBefore = Set.of();
  private @Nullable Runnable undo;

  Replication(BaseModel base) {
    this.base = base;
  }

  /**
   * Makes the stack that an adapter wants.
   *
   * @return takes that back, for the case that the adapter cannot be added
   */
  Runnable begin(List<List<Integer>> wanted, AdapterSet set) {
    if (wanted.isEmpty() || wanted.equals(ranges)) {
      return () -> {};
    }
    if (!set.names().isEmpty()) {
      throw new IllegalStateException(
          "layerReplication "
              + wanted
              + " changes the layers that the adapters "
              + set.names()
              + " are in"
              + (ranges.isEmpty() ? "" : ", which are replicated as " + ranges)
              + ". Add the adapter to a fresh model, or take it out of its config.");
    }
    end();
    weightsBefore = Set.copyOf(base.root().namedState().values());
    undo =
        base.layerStack()
            .orElseThrow(
                () ->
                    new UnsupportedOperationException(
                        "The layers of "
                            + base.className()
                            + " are not known and cannot be replicated (layerReplication)."))
            .replicate(wanted);
    ranges = wanted;
    return this::end;
  }

  /** The weights that the model had; a layer that no range names is not below it now. */
  Set<Parameter> weightsBefore() {
    return weightsBefore;
  }

  /** Puts the layers back as they were. */
  void end() {
    if (undo != null) {
      undo.run();
    }
    undo = null;
    ranges = List.of();
    weightsBefore = Set.of();
  }
}
