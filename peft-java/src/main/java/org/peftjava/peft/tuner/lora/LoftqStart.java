package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Optional;
import org.peftjava.quant.bnb.BlockwiseQuantizer;
import org.peftjava.quant.bnb.BlockwiseQuantizer.Blocks;
import org.peftjava.quant.bnb.CodeBook;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/**
 * LoftQ, arXiv:2310.08659: A and B make up for the error of quantizing the base weight, which
 * becomes {@code Q(W - B A)}: what it will be after quantization, in full precision.
 *
 * <p>As in Python, the scaling is not divided out: choose alpha equal to r. Reference: PEFT {@code
 * loftq_utils.py::loftq_init}.
 *
 * @param bits 4 (NF4 in blocks of 64) or 8 (one scale for each output feature)
 * @param iterations of quantizing and decomposing, 1 or more
 */
record LoftqStart(int bits, int iterations) {
  private static final int BLOCK = 64;
  private static final double LEVELS = 127;

  /** First values for this weight (o, d), float32. */
  LoraStart start(Tensor w, int r) {
    Tensor quantized = quantized(w);
    LoraStart low = lowRank(w.sub(quantized), r);
    for (int i = 1; i < iterations; i++) {
      quantized = quantized(w.sub(low.b().matmul(low.a())));
      low = lowRank(w.sub(quantized), r);
    }
    Tensor last = quantized;
    return new LoraStart(low.a(), low.b(), Optional.of(weight -> last), List.of(last));
  }

  private static LoraStart lowRank(Tensor rest, int r) {
    Svd svd = LinearAlgebra.svd(rest);
    Tensor root = svd.s().narrow(0, 0, r).sqrt();
    return LoraStart.beside(
        svd.vh().narrow(0, 0, r).mul(root.unsqueeze(1)),
        svd.u().narrow(1, 0, r).mul(root.unsqueeze(0)));
  }

  /** The weight after quantization and back, float32. */
  private Tensor quantized(Tensor w) {
    return bits == 4 ? fourBit(w) : eightBit(w);
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
