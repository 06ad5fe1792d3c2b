package org.peftjava.torch.cuda;

import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.PointerScope;

/** Calls of the driver that others build on. */
final class CudaDriver {
  private CudaDriver() {}

  /** A context that is the calling thread's until closed; the one before then is again. */
  interface Entered extends AutoCloseable {
    @Override
    void close();
  }

  /** What the driver says of a card; {@code cuDeviceGetAttribute}. */
  static int attribute(int device, int attribute) {
    int[] value = new int[1];
    check(cudart.cuDeviceGetAttribute(value, attribute, handle(device)), "cuDeviceGetAttribute");
    return value[0];
  }

  /** The context of a card that libtorch uses; it stays for the life of the process. */
  static CUctx_st primaryContext(int device) {
    CUctx_st context = new CUctx_st();
    check(cudart.cuDevicePrimaryCtxRetain(context, handle(device)), "cuDevicePrimaryCtxRetain");
    return context;
  }

  private static int handle(int device) {
    int[] handle = new int[1];
    check(cudart.cuInit(0), "cuInit");
    check(cudart.cuDeviceGet(handle, device), "cuDeviceGet");
    return handle[0];
  }

  static Entered enter(CUctx_st context) {
    check(cudart.cuCtxPushCurrent(context), "cuCtxPushCurrent");
    return () -> cudart.cuCtxPopCurrent(new CUctx_st());
  }

  /** Throws with the driver's name of an error. */
  static void check(int result, String what) {
    if (result == cudart.CUDA_SUCCESS) {
      return;
    }
    try (PointerScope scope = new PointerScope()) {
      throw new CudaException(
          what + " failed: " + nameOf(result) + ". Is the driver older than these libraries?");
    }
  }

  private static String nameOf(int result) {
    PointerPointer<BytePointer> name = new PointerPointer<>(1);
    return cudart.cuGetErrorName(result, name) == cudart.CUDA_SUCCESS
        ? name.get(BytePointer.class, 0).getString()
        : "error " + result;
  }
}
