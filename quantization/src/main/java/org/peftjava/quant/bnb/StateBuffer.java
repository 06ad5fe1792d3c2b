package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.PagedTensor;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.ManagedAllocator;

/**
 * A vector of an optimizer's state, with its memory.
 *
 * @param tensor the values
 * @param page whose tensor that is; null for ordinary memory
 */
record StateBuffer(Tensor tensor, @Nullable PagedTensor page) implements AutoCloseable {
  /** All zeros; paged if there is somewhere to page to. */
  static StateBuffer zeros(
      DType type, Device device, long numel, Optional<ManagedAllocator> pages) {
    if (pages.isEmpty()) {
      return new StateBuffer(Creation.zeros(type, device, numel).escape(), null);
    }
    PagedTensor page = PagedTensor.zeros(pages.get(), type, device, numel);
    return new StateBuffer(page.tensor(), page);
  }

  /** Starts to move it to the card, if it may be elsewhere; false if it may not. */
  boolean prefetch() {
    if (page != null) {
      page.prefetch();
    }
    return page != null;
  }

  /**
   * The values for others than the optimizer: if they are paged a copy on the host, since tensors
   * do not keep that memory.
   */
  Tensor saved() {
    if (page == null) {
      return tensor;
    }
    return tensor.device().equals(Device.CPU) ? tensor.copy() : tensor.to(Device.CPU);
  }

  @Override
  public void close() {
    if (page == null) {
      tensor.close();
    } else {
      page.close();
    }
  }
}
