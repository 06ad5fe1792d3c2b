package org.peftjava.transformers.model;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * A learned vector per position, stored from row 2 on: position -1, which padding has, is row 1.
 *
 * <p>Reference: {@code OPTLearnedPositionalEmbedding}, {@code BartLearnedPositionalEmbedding}.
 */
public final class LearnedPositions extends Module implements EmbeddingLayer {
  private static final int OFFSET = 2;

  private final long positions;
  private final long size;
  private final Parameter weight;

  /** A table of this many positions, without memory. */
  public LearnedPositions(long positions, long size, DType dtype) {
    this.positions = positions;
    this.size = size;
    weight =
        register(
            "weight", new Parameter(Shape.of(positions + OFFSET, size), dtype, Init.normal(1)));
  }

  /** The rows of these positions, each at least -2. */
  public static Tensor rows(Tensor positions) {
    return positions.add(OFFSET);
  }

  /**
   * The vectors of these {@link #rows}: (b, t) to (b, t, e). Adapters of the table get rows too.
   */
  @Override
  public Tensor forward(Tensor rows) {
    return Ops.embeddingUnchecked(weight.tensor(), rows);
  }

  /** Vectors of {@code length} positions in a row: (t, e), a view of the table. */
  public Tensor range(long start, long length) {
    return weight.tensor().narrow(0, start + OFFSET, length);
  }

  @Override
  public long numEmbeddings() {
    return positions + OFFSET;
  }

  @Override
  public long embeddingDim() {
    return size;
  }

  @Override
  public Optional<Module> emptyCopy() {
    return Optional.of(new LearnedPositions(positions, size, weight.dtype()));
  }

  @Override
  public Parameter table() {
    return weight;
  }
}
