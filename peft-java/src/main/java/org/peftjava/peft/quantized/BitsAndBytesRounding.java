package org.peftjava.peft.quantized;

import org.peftjava.peft.tuner.lora.WeightRounding;
import org.peftjava.quant.bnb.BlockwiseQuantizer;
import org.peftjava.quant.bnb.BlockwiseQuantizer.Blocks;
import org.peftjava.quant.bnb.CodeBook;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/** The formats of bitsandbytes. Values in golden/lora_starts. */
public final class BitsAndBytesRounding implements WeightRounding {
  private static final int BLOCK = 64;
  private static final double LEVELS = 127;

  /** For the service loader. */
  public BitsAndBytesRounding() {}

  @Override
  public Tensor rounded(Tensor weight, int bits) {
    return bits == 4 ? fourBit(weight) : eightBit(weight);
  }

  private static Tensor fourBit(Tensor w) {
    BlockwiseQuantizer nf4 = new BlockwiseQuantizer(CodeBook.NF4, BLOCK);
    Blocks blocks = nf4.quantize(w);
    return nf4.dequantize(
            blocks.codes(),
            blocks.absmax(),
            CodeBook.NF4.values().to(w.device()),
            w.numel(),
            DType.FLOAT32)
        .reshape(w.shape().toArray());
  }

  /** {@code bitsandbytes.functional.int8_vectorwise_quant}, whose input is float16. */
  private static Tensor eightBit(Tensor w) {
    Tensor half = w.to(DType.FLOAT16).to(DType.FLOAT32);
    Tensor largest = half.abs().amax(1).unsqueeze(1); // (o, 1)
    Tensor least = Creation.full(DType.FLOAT32, Float.MIN_NORMAL, 1).to(w.device());
    Tensor scale = Ops.where(largest.eq(0), least, largest);
    return Ops.round(half.div(scale).mul(LEVELS)).mul(scale).div(LEVELS);
  }
}
