package org.peftjava.quant.bnb;

import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;

/**
 * How a 4-bit weight is stored.
 *
 * @param type of the codes
 * @param blockSize elements per scale, one of {@link BlockwiseQuantizer#BLOCK_SIZES}; 64 in
 *     transformers
 * @param doubleQuant whether the scales are quantized too
 * @param storage the type of the tensor that holds the codes; uint8 unless something else needs
 *     another one, such as the sharding of parameters
 */
public record FourBitFormat(QuantType type, int blockSize, boolean doubleQuant, DType storage) {
  /** The usual storage. */
  public FourBitFormat(QuantType type, int blockSize, boolean doubleQuant) {
    this(type, blockSize, doubleQuant, DType.UINT8);
  }

  /**
   * The sizes of the tensor that holds the codes of a dense matrix.
   *
   * @throws IllegalArgumentException if elements of that type cannot hold them
   */
  static Shape packedShape(Shape dense, DType storage) {
    long bytes = (dense.numel() + 1) / 2;
    if (bytes % storage.byteSize() != 0) {
      throw new IllegalArgumentException(
          "A 4-bit weight of shape "
              + dense
              + " takes "
              + bytes
              + " bytes, which "
              + storage
              + " elements cannot hold. Use bnb_4bit_quant_storage uint8, or skip this layer"
              + " (llm_int8_skip_modules).");
    }
    return Shape.of(bytes / storage.byteSize(), 1);
  }
}
