package org.peftjava.torch.cuda;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.global.torch_cuda;

/**
 * Kernels on one card: compiled or taken from the cache, loaded into libtorch's context, started on
 * the stream that libtorch uses on the calling thread.
 */
final class DeviceLauncher implements KernelLauncher {
  private static final ThreadLocal<CUctx_st> CURRENT = ThreadLocal.withInitial(CUctx_st::new);

  private final int device;
  private final List<KernelSource> sources;
  private final KernelCompiler compiler;
  private final KernelCache cache;
  private final int capability;
  private final String architecture;
  private final CUctx_st context;
  private final List<CUmod_st> modules = new ArrayList<>();
  private final Map<String, CUfunc_st> functions = new ConcurrentHashMap<>();
  private final Map<List<Float>, Long> tables = new ConcurrentHashMap<>();

  DeviceLauncher(
      int device, List<KernelSource> sources, KernelCompiler compiler, KernelCache cache) {
    this.device = device;
    this.sources = List.copyOf(sources);
    this.compiler = compiler;
    this.cache = cache;
    capability =
        10 * CudaDriver.attribute(device, cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
            + CudaDriver.attribute(device, cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    architecture = compiler.architectureFor(capability);
    context = CudaDriver.primaryContext(device);
    List<byte[]> compiled =
        this.sources.parallelStream()
            .map(source -> cache.get(source, architecture, compiler))
            .toList();
    try (CudaDriver.Entered entered = CudaDriver.enter(context)) {
      for (int i = 0; i < sources.size(); i++) {
        modules.add(load(sources.get(i), compiled.get(i)));
      }
    }
  }

  @Override
  public void launch(String kernel, LaunchGrid grid, long... arguments) {
    start(kernel, grid, LaunchArguments.ofThread().of(kernel, arguments));
  }

  @Override
  public void launchOver(String kernel, LaunchGrid grid, long[] table, long... arguments) {
    start(kernel, grid, LaunchArguments.ofThread().over(kernel, table, arguments));
  }

  /**
   * The context is asked for each time: libtorch changes it where there are several cards, and so
   * may others. It is nearly always the right one.
   */
  private void start(String kernel, LaunchGrid grid, PointerPointer<Pointer> pointers) {
    CUfunc_st function = functions.get(kernel);
    if (function == null) {
      function = find(kernel);
    }
    CUctx_st current = CURRENT.get();
    CudaDriver.check(cudart.cuCtxGetCurrent(current), "cuCtxGetCurrent");
    boolean elsewhere = current.address() != context.address();
    if (elsewhere) {
      CudaDriver.check(cudart.cuCtxPushCurrent(context), "cuCtxPushCurrent");
    }
    try (CUDAStream stream = torch_cuda.getCurrentCUDAStream((byte) device)) {
      int result =
          cudart.cuLaunchKernel(
              function,
              grid.x(),
              grid.y(),
              1,
              grid.threads(),
              1,
              1,
              0,
              stream.stream(),
              pointers,
              (PointerPointer<?>) null);
      CudaDriver.check(result, "The launch of " + kernel);
    } finally {
      if (elsewhere) {
        cudart.cuCtxPopCurrent(current);
      }
    }
  }

  @Override
  public long table(float... values) {
    Float[] key = new Float[values.length];
    Arrays.setAll(key, i -> values[i]);
    return tables.computeIfAbsent(List.of(key), k -> copyToDevice(values));
  }

  @Override
  public int capability() {
    return capability;
  }

  private long copyToDevice(float[] values) {
    try (PointerScope scope = new PointerScope();
        CudaDriver.Entered entered = CudaDriver.enter(context)) {
      long bytes = (long) Float.BYTES * values.length;
      long[] address = new long[1];
      CudaDriver.check(cudart.cuMemAlloc(address, bytes), "cuMemAlloc");
      CudaDriver.check(
          cudart.cuMemcpyHtoD(address[0], new FloatPointer(values), bytes), "cuMemcpyHtoD");
      return address[0];
    }
  }

  private CUfunc_st find(String kernel) {
    try (CudaDriver.Entered entered = CudaDriver.enter(context)) {
      for (CUmod_st module : modules) {
        CUfunc_st function = new CUfunc_st();
        int result = cudart.cuModuleGetFunction(function, module, kernel);
        if (result == cudart.CUDA_SUCCESS) {
          functions.put(kernel, function);
          return function;
        }
        if (result != cudart.CUDA_ERROR_NOT_FOUND) {
          CudaDriver.check(result, "cuModuleGetFunction of " + kernel);
        }
      }
    }
    throw new CudaException(
        "There is no kernel "
            + kernel
            + " in "
            + sources.stream().map(KernelSource::name).toList()
            + ".");
  }

  /** What the driver refuses is compiled again once: it may be a file from elsewhere. */
  private CUmod_st load(KernelSource source, byte[] compiled) {
    CUmod_st module = new CUmod_st();
    if (load(module, compiled) == cudart.CUDA_SUCCESS) {
      return module;
    }
    cache.forget(source, architecture, compiler);
    CudaDriver.check(
        load(module, cache.get(source, architecture, compiler)),
        "Loading " + source.name() + ", compiled for " + architecture + ",");
    return module;
  }

  private static int load(CUmod_st module, byte[] compiled) {
    try (PointerScope scope = new PointerScope()) {
      // PTX is a text, whose end the driver finds by a zero.
      byte[] ended = Arrays.copyOf(compiled, compiled.length + 1);
      return cudart.cuModuleLoadData(module, new BytePointer(ended));
    }
  }
}
