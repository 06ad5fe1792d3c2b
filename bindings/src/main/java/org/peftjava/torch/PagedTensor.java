package org.peftjava.torch;

import java.util.Locale;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.LongArrayRef;
import org.bytedeco.pytorch.TensorMaker;
import org.bytedeco.pytorch.global.torch;
import org.peftjava.torch.cuda.ManagedAllocator;
import org.peftjava.torch.cuda.ManagedMemory;

/**
 * A vector in managed memory, which the driver moves to the host when a card is full: {@code
 * bitsandbytes.functional.get_paged}.
 *
 * <p>This object owns the tensor and its memory, and closes both. The tensor does not keep the
 * memory: what shares it (views, aliases) must be gone before {@link #close}, so that the owner
 * hands out copies only.
 */
public final class PagedTensor implements AutoCloseable {
  private final ManagedMemory memory;
  private final Tensor tensor;

  private PagedTensor(ManagedMemory memory, Tensor tensor) {
    this.memory = memory;
    this.tensor = tensor;
  }

  /**
   * All zeros.
   *
   * @param device the allocator's, which operations on the tensor run on
   * @param numel numbers, at least one
   * @throws TorchException.OutOfDeviceMemory if neither card nor host has so much memory
   */
  public static PagedTensor zeros(
      ManagedAllocator allocator, DType type, Device device, long numel) {
    long bytes = Math.multiplyExact(numel, (long) type.byteSize());
    ManagedMemory memory =
        ManagedMemory.allocate(allocator, bytes)
            .orElseThrow(
                () ->
                    new TorchException.OutOfDeviceMemory(
                        String.format(
                            Locale.ROOT,
                            "%,d bytes of managed memory for %s are more than host and %s can"
                                + " give. %s Use an optimizer with less state (8-bit), or train"
                                + " fewer numbers.",
                            bytes,
                            type + " (" + numel + ")",
                            device,
                            TensorLedger.summary())));
    try (TensorScope scope = TensorScope.open("paged")) {
      Tensor tensor = over(memory.address(), type, device, numel).fillInPlace(0);
      return new PagedTensor(memory, tensor.escape());
    } catch (RuntimeException | Error e) {
      memory.close();
      throw e;
    }
  }

  /** Without a deleter, and with its device said: libtorch asks nothing of the address. */
  static Tensor over(long address, DType type, Device device, long numel) {
    // the maker keeps the place of the sizes, not the sizes
    LongPointer sizes = new LongPointer(new long[] {numel});
    TensorMaker maker = torch.for_blob(new Address(address), new LongArrayRef(sizes, 1));
    return Natives.fresh(
        type,
        device,
        new long[] {numel},
        () ->
            maker
                .options(Natives.options(type, device))
                .target_device(new DeviceOptional(Natives.nativeDevice(device)))
                .make_tensor());
  }

  /** A pointer that owns nothing. */
  private static final class Address extends Pointer {
    Address(long value) {
      super((Pointer) null);
      address = value;
    }
  }

  /** The vector; it stays this object's. */
  public Tensor tensor() {
    return tensor;
  }

  /** Starts to move it to the card, in the order of libtorch's work on this thread. */
  public void prefetch() {
    memory.prefetch();
  }

  /** Waits for the card and frees the memory. Closing twice does nothing. */
  @Override
  public void close() {
    tensor.close();
    memory.close();
  }
}
