package org.peftjava.quant.bnb;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.kernels.AdamW8bitKernel;
import org.peftjava.torch.kernels.ByteMap;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.runtime.NativeRuntime;

/** A step of {@link AdamW8bit} on the CPU, of many parameters in one native call. */
final class NativeAdamW8bit {
  private static final ByteMap MEANS = signKeeping(CodeBook.DYNAMIC);
  private static final ByteMap SQUARES =
      new ByteMap(CodeBook.DYNAMIC_UNSIGNED.valueArray(), CodeBook.DYNAMIC_UNSIGNED.limits());

  private final List<AdamW8bitKernel.Entry> entries = new ArrayList<>();

  /** No number below 0 has the code of 0, so that it keeps its sign. */
  private static ByteMap signKeeping(CodeBook book) {
    float[] limits = book.limits();
    limits[book.zero() - 1] = -Float.MIN_VALUE;
    return new ByteMap(book.valueArray(), limits);
  }

  /**
   * Adds a parameter; false if the kernel cannot update it.
   *
   * @param g of the size of {@code p}; both must stay open until {@link #run}
   * @param state whose steps include this one
   */
  boolean add(Tensor p, Tensor g, MomentState state) {
    Optional<ElementType> type = NativeMemory.elementType(p.dtype());
    if (type.isEmpty() || p.dtype() != g.dtype() || !NativeMemory.covers(p, g)) {
      return false;
    }
    MomentState.Addresses moments = state.addresses();
    entries.add(
        new AdamW8bitKernel.Entry(
            type.get(),
            p.address(),
            g.address(),
            moments.state1(),
            moments.state2(),
            moments.absmax1(),
            moments.absmax2(),
            p.numel(),
            state.steps()));
    return true;
  }

  /** Takes the step of all that were added. */
  void run(AdamW.Options options, double learningRate) {
    if (!entries.isEmpty()) {
      AdamW8bitKernel.step(
          entries,
          MEANS,
          SQUARES,
          learningRate,
          options.beta1(),
          options.beta2(),
          options.eps(),
          options.weightDecay(),
          NativeRuntime.threads());
    }
  }
}
