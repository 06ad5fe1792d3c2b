package org.peftjava.quant.bnb;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.ManagedAllocator;

/** Adam's two moments of one parameter, in codes or in float32, read and written by parts. */
final class MomentState implements AutoCloseable {
  /** Numbers that are updated at a time, a multiple of the block size. */
  static final long BAND = 1 << 20;

  private static final int BLOCK_SIZE = 256;
  private static final int ZERO = 127;
  private static final BlockwiseQuantizer MEANS =
      new BlockwiseQuantizer(CodeBook.DYNAMIC, BLOCK_SIZE);
  private static final BlockwiseQuantizer SQUARES =
      new BlockwiseQuantizer(CodeBook.DYNAMIC_UNSIGNED, BLOCK_SIZE);

  private final Map<String, StateBuffer> buffers = new LinkedHashMap<>();
  private final Tensor state1;
  private final Tensor state2;
  private final @Nullable Tensor absmax1;
  private final @Nullable Tensor absmax2;
  private long steps;

  /** Both moments of some numbers, float32. */
  record Moments(Tensor mean, Tensor square) {}

  /**
   * All zeros, or nothing at all where there is not enough memory.
   *
   * @param pages where large states of a device can be paged
   */
  MomentState(
      long numel,
      Device device,
      boolean coded,
      Function<Device, Optional<ManagedAllocator>> pages) {
    DType type = coded ? DType.UINT8 : DType.FLOAT32;
    long blocks = MEANS.blocksOf(numel);
    Optional<ManagedAllocator> none = Optional.empty();
    Optional<ManagedAllocator> large =
        numel < PagedAdamW8bit.MIN_PAGED_SIZE ? none : pages.apply(device);
    try {
      state1 = zeros("state1", type, device, numel, large);
      state2 = zeros("state2", type, device, numel, large);
      absmax1 = coded ? zeros("absmax1", DType.FLOAT32, device, blocks, none) : null;
      absmax2 = coded ? zeros("absmax2", DType.FLOAT32, device, blocks, none) : null;
    } catch (RuntimeException | Error e) {
      buffers.values().forEach(StateBuffer::close);
      throw e;
    }
  }

  private Tensor zeros(
      String name, DType type, Device device, long numel, Optional<ManagedAllocator> pages) {
    StateBuffer buffer = StateBuffer.zeros(type, device, numel, pages);
    buffers.put(name, buffer);
    return buffer.tensor();
  }

  /** Steps taken. */
  long steps() {
    return steps;
  }

  void steps(long count) {
    steps = count;
  }

  void step() {
    steps++;
  }

  /** Whether these are the moments of a tensor of this size and place: kernels trust it. */
  boolean fits(Tensor parameter) {
    return state1.numel() == parameter.numel() && state1.device().equals(parameter.device());
  }

  /** Where the tensors are; 0 for scales of a state without codes. */
  record Addresses(long state1, long state2, long absmax1, long absmax2) {}

  Addresses addresses() {
    return new Addresses(
        state1.address(),
        state2.address(),
        absmax1 == null ? 0 : absmax1.address(),
        absmax2 == null ? 0 : absmax2.address());
  }

  /** The tensors by their names in bitsandbytes; they stay this object's. */
  Map<String, Tensor> tensors() {
    return each(StateBuffer::tensor);
  }

  /** The same for others: copies on the host of what is paged. */
  Map<String, Tensor> saved() {
    return each(StateBuffer::saved);
  }

  private Map<String, Tensor> each(Function<StateBuffer, Tensor> part) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    buffers.forEach((name, buffer) -> result.put(name, part.apply(buffer)));
    return result;
  }

  /** Starts to move what is paged to its card, before an update; false if nothing is. */
  boolean prefetch() {
    boolean paged = false;
    for (StateBuffer buffer : buffers.values()) {
      paged |= buffer.prefetch();
    }
    return paged;
  }

  /** Throws if scales cannot be those of a parameter's moments: they are a file's. */
  static void checkScales(String parameter, Tensor scales) {
    if (!scales.isFinite() || scales.min().toDouble() < 0) {
      throw new IllegalArgumentException(
          "The optimizer state of '"
              + parameter
              + "' has scales that are negative, NaN or infinite. Expected max |x| of each"
              + " block. The checkpoint is damaged.");
    }
  }

  /** The moments of {@code length} numbers from {@code start} on, a multiple of {@link #BAND}. */
  Moments read(long start, long length) {
    Tensor first = state1.narrow(0, start, length);
    Tensor second = state2.narrow(0, start, length);
    if (absmax1 == null || absmax2 == null) {
      return new Moments(first, second);
    }
    return new Moments(
        decode(MEANS, CodeBook.DYNAMIC, first, blocks(absmax1, start, length)),
        decode(SQUARES, CodeBook.DYNAMIC_UNSIGNED, second, blocks(absmax2, start, length)));
  }

  private static Tensor decode(
      BlockwiseQuantizer codec, CodeBook book, Tensor codes, Tensor absmax) {
    Tensor values = book.values().to(codes.device());
    return codec.dequantize(codes, absmax, values, codes.numel(), DType.FLOAT32);
  }

  private static Tensor blocks(Tensor absmax, long start, long length) {
    return absmax.narrow(0, start / BLOCK_SIZE, MEANS.blocksOf(length));
  }

  /** Replaces the moments of as many numbers from {@code start} on. */
  void write(long start, Tensor mean, Tensor square) {
    try (TensorScope scope = TensorScope.open("write moments")) {
      long length = mean.numel();
      Tensor first = state1.narrow(0, start, length);
      Tensor second = state2.narrow(0, start, length);
      if (absmax1 == null || absmax2 == null) {
        first.copyInPlace(mean);
        second.copyInPlace(square);
        return;
      }
      BlockwiseQuantizer.Blocks means = MEANS.quantize(mean);
      first.copyInPlace(signed(means.codes(), mean));
      blocks(absmax1, start, length).copyInPlace(means.absmax());
      BlockwiseQuantizer.Blocks squares = SQUARES.quantize(square);
      second.copyInPlace(squares.codes());
      blocks(absmax2, start, length).copyInPlace(squares.absmax());
    }
  }

  /** A negative number keeps its sign: it becomes the negative code next to 0, never 0. */
  private static Tensor signed(Tensor codes, Tensor values) {
    Tensor lost = codes.eq(ZERO).and(values.lt(0));
    return codes.to(DType.INT32).sub(lost.to(DType.INT32));
  }

  @Override
  public void close() {
    buffers.values().forEach(StateBuffer::close);
  }
}
