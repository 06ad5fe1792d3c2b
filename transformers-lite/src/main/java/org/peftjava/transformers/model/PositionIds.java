package org.peftjava.transformers.model;

import java.util.OptionalLong;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/** Which row of an encoder's table of positions belongs to each token. */
public interface PositionIds {
  /** The rows (b, t) or (1, t), int64, each in the table. */
  Tensor of(BackboneInput input, Device device);

  /** Those of encoders built like BERT. */
  static PositionIds of(EncoderConfig config) {
    int positions = config.maxPositionEmbeddings();
    return config.isDecoder() ? new Counted(positions) : new Absolute(positions);
  }

  /** Number of rows of the table. */
  long tableSize();

  /** The row that padding has, which gets no gradient. */
  default OptionalLong paddingIdx() {
    return OptionalLong.empty();
  }

  /** The positions that the input gives, checked against the table. */
  default Tensor given(Tensor ids) {
    long lowest = ids.min().toLong();
    long highest = ids.max().toLong();
    if (lowest < 0 || highest >= tableSize()) {
      throw new IllegalArgumentException(
          "positionIds contain "
              + (lowest < 0 ? lowest : highest)
              + ". Expected 0 to "
              + (tableSize() - 1)
              + ".");
    }
    return ids;
  }

  /** Positions from 0 on, counted over the tokens that are not padding: BERT's as a decoder. */
  record Counted(long tableSize) implements PositionIds {
    @Override
    public Tensor of(BackboneInput input, Device device) {
      // padding, -1, gets any vector: nobody looks at it
      return input.positionIds() == null && input.attentionMask() == null
          ? new Absolute(tableSize).of(input, device)
          : Ops.relu(Positions.of(input, tableSize));
    }
  }

  /** Positions from 0 on, or from behind a prefix, whatever is padded: BERT's. */
  record Absolute(long tableSize) implements PositionIds {
    @Override
    public Tensor of(BackboneInput input, Device device) {
      if (input.positionIds() != null) {
        return given(input.positionIds());
      }
      long past = input.pastLength();
      long end = past + input.tokens();
      Positions.checkLength(end, tableSize);
      return Creation.arange(past, end, device).reshape(1, input.tokens());
    }
  }
}
