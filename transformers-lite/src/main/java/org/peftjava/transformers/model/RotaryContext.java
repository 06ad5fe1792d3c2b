package org.peftjava.transformers.model;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.StepPlace;
import org.peftjava.torch.Tensor;

/**
 * What the layers of a rotary decoder share: for either type of layer a mask and the rotations of
 * queries and keys. Where the types do not differ, they hold the same tensors.
 *
 * @param full for layers that see every earlier token
 * @param sliding for layers that see a window
 * @param past keys and values of earlier tokens, or null
 * @param trace what the pass keeps of its way, or null
 */
public record RotaryContext(
    Shared full, Shared sliding, @Nullable KvCache past, @Nullable LayerTrace trace)
    implements LayerContext<RotaryContext> {

  /**
   * One type's mask and rotations.
   *
   * @param rotation by places in the row: the angle between two tokens is what counts
   * @param counted what gives those by positions without padding; null if they are the same
   */
  public record Shared(
      AttentionMask mask, Rotation rotation, @Nullable Supplier<Rotation> counted) {
    /** Those of a step whose place only the device knows: the rotations of all places. */
    static Shared of(StepPlace place, Rotation all) {
      return new Shared(AttentionMask.ALL, all, () -> counted(place, all));
    }

    private static Rotation counted(StepPlace place, Rotation all) {
      if (place.mask() != null) {
        throw new UnsupportedOperationException("Positions are not counted on the device.");
      }
      return all.at(place.position());
    }

    /** By positions without padding, for what stands beside the text. */
    Rotation besideText() {
      return counted == null ? rotation : counted.get();
    }

    private List<Tensor> tensors() {
      List<Tensor> all = new ArrayList<>(List.of(rotation.cos(), rotation.sin()));
      all.addAll(mask.tensors());
      return all;
    }

    private Shared with(List<Tensor> tensors) {
      return new Shared(
          mask.with(tensors.subList(2, tensors.size())),
          new Rotation(tensors.get(0), tensors.get(1)),
          counted);
    }
  }

  /** What layers of this type use. */
  Shared of(LayerType type) {
    return type == LayerType.FULL ? full : sliding;
  }

  @Override
  public List<Tensor> tensors() {
    List<Tensor> all = new ArrayList<>(full.tensors());
    all.addAll(sliding.tensors());
    return all;
  }

  @Override
  public RotaryContext with(List<Tensor> tensors) {
    int split = full.tensors().size();
    return new RotaryContext(
        full.with(tensors.subList(0, split)),
        sliding.with(tensors.subList(split, tensors.size())),
        past,
        trace);
  }
}
