package org.peftjava.peft.plan;

import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.kernels.WideProductKernel;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * How a step is computed where it runs, which decides what its operators keep and take room for.
 */
final class StepKernels {
  /** How an adapter's small matrices are multiplied. */
  enum Update {
    /** In one pass, from what is kept anyway: our kernels on the CPU. */
    FUSED,
    /** By a card's tensor cores, with results in float32 until they are rounded. */
    ON_CARD,
    /** By libtorch's operators, each of which keeps its own input. */
    COMPOSED
  }

  /** Whether the step runs on a card. */
  final boolean onCard;

  /** Whether our kernels for the CPU do it. */
  final boolean onKernels;

  /** Whether products of the CPU run on AMX tiles. */
  final boolean tiles;

  /** The type that products with the layers' weights are computed in. */
  final DType productType;

  /** Whether quantized weights are made dense in the caches, and nowhere else. */
  final boolean densedInCaches;

  /** Whether operands of 16 bits are copied as float32 for a product. */
  final boolean widens;

  final Update update;

  /** The type of an adapter's matrices. */
  final DType adapterType;

  /** LoRA's dropout. */
  final double dropout;

  private StepKernels(StepOptions options) {
    DType dtype = options.dtype();
    onCard = options.device().isCuda();
    onKernels = !onCard && NativeKernels.available();
    tiles = onKernels && WideProductKernel.available(ElementType.BFLOAT16);
    productType =
        options
            .quantizationConfig()
            .filter(BitsAndBytesConfig::loadIn4bit)
            .map(BitsAndBytesConfig::bnb4bitComputeDtype)
            .orElse(dtype);
    densedInCaches =
        tiles
            && options
                .quantizationConfig()
                .filter(
                    c ->
                        productType == DType.BFLOAT16
                            || (c.loadIn4bit() && productType == DType.FLOAT32))
                .isPresent();
    boolean slow = !onCard && !densedInCaches && !NativeRuntime.hasBfloat16Products();
    widens =
        dtype.isHalfPrecision()
            && (productType == DType.FLOAT32 || (productType == DType.BFLOAT16 && slow));
    boolean cast = options.autocastAdapterDtype() && dtype.isHalfPrecision();
    adapterType = cast ? DType.FLOAT32 : dtype;
    boolean wide = adapterType == DType.FLOAT32;
    if (wide && onKernels && dtype != DType.FLOAT16) {
      update = Update.FUSED;
    } else {
      update = wide && onCard && dtype == DType.BFLOAT16 ? Update.ON_CARD : Update.COMPOSED;
    }
    dropout = options.adapter() instanceof LoraConfig lora ? lora.loraDropout() : 0;
  }

  static StepKernels of(StepOptions options) {
    return new StepKernels(options);
  }

  /** Bytes that a product in this type packs a number of its input into, in memory that is kept. */
  int packedBytes(DType type) {
    if (type == DType.FLOAT32) {
      boolean covered = onKernels && WideProductKernel.available(ElementType.FLOAT32);
      return tiles ? 3 * DType.BFLOAT16.byteSize() : covered ? DType.FLOAT32.byteSize() : 0;
    }
    return tiles && type == DType.BFLOAT16 ? type.byteSize() : 0;
  }

  /** Whether logits become loss and gradient where they lie. */
  boolean losesInOnePass(DType dtype) {
    return onCard || (onKernels && dtype != DType.FLOAT16);
  }

  /** Whether an RMS norm keeps its input as float32: libtorch's on the CPU. */
  boolean normsWide(DType dtype) {
    return !onCard && dtype.isHalfPrecision() && (!onKernels || dtype == DType.FLOAT16);
  }

  /** Whether the logits of some rows lie in float32 memory that is kept from step to step. */
  boolean keepsLogits(DType dtype) {
    return !onCard
        && (dtype == DType.FLOAT32
            || (dtype == DType.BFLOAT16 && !NativeRuntime.hasBfloat16Products()));
  }
}
