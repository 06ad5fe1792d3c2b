package org.peftjava.quant.bnb;

import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Kernels for the arithmetic of one 4-bit weight. What they leave to the caller is done by making
 * the matrix dense with {@link BlockwiseQuantizer}, and libtorch's product.
 */
interface FourBitBackEnd {
  /** Writes the dense matrix into a gapless tensor of as many elements; false if it cannot. */
  boolean dequantizeInto(Tensor out);

  /** {@code x W^T + bias} outside the graph; empty if a dense matrix is the better way. */
  Optional<Tensor> product(Tensor x, @Nullable Tensor bias);

  /**
   * {@code gradient W} outside the graph; empty if a dense matrix is the better way.
   *
   * @param rounded the type that weights are rounded to before
   */
  Optional<Tensor> inputGradient(Tensor gradient, DType rounded);

  /**
   * The kernels that can read the tensors, which must stay open: those of a card, then those of the
   * CPU.
   *
   * @param tensors as {@link FourBitWeight#state} has them
   */
  static Optional<? extends FourBitBackEnd> of(QuantState state, Map<String, Parameter> tensors) {
    Parts parts = Parts.of(state, tensors);
    Optional<CudaFourBit> cuda = CudaFourBit.of(state, parts);
    return cuda.isPresent() ? cuda : NativeFourBit.of(state, parts);
  }

  /** The tensors of a weight. */
  record Parts(
      Tensor packed,
      Tensor values,
      Tensor absmax,
      @Nullable Tensor nestedAbsmax,
      @Nullable Tensor nestedValues) {
    private static Parts of(QuantState state, Map<String, Parameter> tensors) {
      boolean nested = state.nestedOffset().isPresent();
      Parts parts =
          new Parts(
              tensor(tensors, ""),
              tensor(tensors, ".quant_map"),
              tensor(tensors, ".absmax"),
              nested ? tensor(tensors, ".nested_absmax") : null,
              nested ? tensor(tensors, ".nested_quant_map") : null);
      check(parts.values, DType.FLOAT32);
      check(parts.absmax, nested ? DType.UINT8 : DType.FLOAT32);
      check(parts.nestedAbsmax, DType.FLOAT32);
      check(parts.nestedValues, DType.FLOAT32);
      return parts;
    }

    private static Tensor tensor(Map<String, Parameter> tensors, String name) {
      return Objects.requireNonNull(tensors.get(QuantizedWeight.WEIGHT + name), name).tensor();
    }

    private static void check(@Nullable Tensor tensor, DType type) {
      if (tensor != null && tensor.dtype() != type) {
        throw new IllegalArgumentException(
            "A part of a 4-bit weight has type " + tensor.dtype() + ". Expected " + type + ".");
      }
    }
  }
}
