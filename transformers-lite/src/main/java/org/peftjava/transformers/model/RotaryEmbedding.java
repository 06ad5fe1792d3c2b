package org.peftjava.transformers.model;

import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.StepPlace;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;

/**
 * Computes the rotations of one pass, shared by all its layers. While decoding they are views of a
 * table that the cache keeps.
 *
 * <p>Reference: {@code LlamaRotaryEmbedding} with {@code dynamic_rope_update}, except that the
 * angles depend on the present length alone, not on the lengths of earlier calls.
 */
final class RotaryEmbedding extends Module {
  private final RopeParameters rope;
  private final RopeFrequencies plain;
  private final RopeFrequencies stretched; // longrope beyond the original length

  RotaryEmbedding(RopeParameters rope) {
    this.rope = rope;
    plain = RopeFrequencies.of(rope, 1);
    stretched = isLongrope() ? RopeFrequencies.of(rope, RopeFrequencies.beyond(rope)) : plain;
  }

  /** The rotations of the tokens given now: those of position_ids, else of a plain range. */
  Rotation forward(BackboneInput input, DType dtype, Device device) {
    long start = input.pastLength();
    long end = start + input.tokens();
    KvCache past = input.past();
    long length = Math.max(lengthOf(input, end), past == null ? 0 : past.expected());
    RopeFrequencies frequencies = frequencies(length);
    Tensor positions = input.positionIds();
    if (positions != null) {
      return frequencies.at(positions.to(DType.FLOAT32), dtype);
    }
    if (past == null || isMomentary(length)) {
      return range(frequencies, start, end, dtype, device);
    }
    return table(frequencies, past, end, dtype, device).narrow(start, input.tokens());
  }

  /** The rotations of {@code end} positions or more, which the cache keeps. */
  private static Rotation table(
      RopeFrequencies frequencies, KvCache past, long end, DType dtype, Device device) {
    List<Tensor> table = past.constants(frequencies);
    if (table.isEmpty() || table.get(0).size(2) < end || table.get(0).dtype() != dtype) {
      try (TensorScope scope = TensorScope.open("rotation table")) {
        Rotation whole = range(frequencies, 0, Math.max(end, past.capacity()), dtype, device);
        table = past.keepConstants(frequencies, List.of(whole.cos(), whole.sin()));
      }
    }
    return new Rotation(table.get(0), table.get(1));
  }

  /**
   * The rotations of all positions that a cache has room for (1, 1, c or more, r), of which a step
   * takes one that only the device knows.
   *
   * @throws UnsupportedOperationException if the angles depend on the length
   */
  Rotation table(KvCache past, StepPlace place, DType dtype, Device device) {
    boolean depends =
        isLongrope() ? past.expected() == 0 : isMomentary(Math.max(place.capacity(), 1));
    if (depends) {
      throw new UnsupportedOperationException(
          "The angles of " + rope.type() + " depend on lengths.");
    }
    return table(frequencies(past.expected()), past, place.capacity(), dtype, device);
  }

  /**
   * What gives the rotations at the positions that are counted from the mask, as {@link Positions};
   * null if {@link #forward} does.
   */
  @Nullable Supplier<Rotation> counted(BackboneInput input, DType dtype, Device device) {
    return input.attentionMask() == null || input.positionIds() != null
        ? null
        : () -> forward(input.at(Positions.of(input, Long.MAX_VALUE)), dtype, device);
  }

  /** The longest row's length; only scalings that look at it need to know it. */
  private long lengthOf(BackboneInput input, long end) {
    if (!rope.type().equals("dynamic") && !isLongrope()) {
      return 1;
    }
    Tensor positions = input.positionIds();
    Tensor mask = input.attentionMask();
    if (positions == null && mask == null) {
      return end;
    }
    try (TensorScope scope = TensorScope.open("length")) {
      return positions != null
          ? positions.max().toLong() + 1
          : Objects.requireNonNull(mask).ne(0).to(DType.INT64).sum(1L).max().toLong();
    }
  }

  private RopeFrequencies frequencies(long length) {
    if (isMomentary(length)) {
      return RopeFrequencies.of(rope, length);
    }
    return isLongrope() && length > rope.original() ? stretched : plain;
  }

  private boolean isLongrope() {
    return rope.type().equals("longrope");
  }

  /** Whether another length has other angles. */
  private boolean isMomentary(long length) {
    return rope.type().equals("dynamic") && length > rope.maxPositions();
  }

  private static Rotation range(
      RopeFrequencies frequencies, long start, long end, DType dtype, Device device) {
    try (TensorScope scope = TensorScope.open("range")) {
      Tensor positions = Creation.arange(start, end, device).to(DType.FLOAT32).unsqueeze(0);
      Rotation rotation = frequencies.at(positions, dtype);
      return new Rotation(scope.keep(rotation.cos()), scope.keep(rotation.sin()));
    }
  }
}
