package org.peftjava.torch.cuda;

/** Turns CUDA C++ into what a card's driver loads. */
public interface KernelCompiler {
  /** The version and the options: two compilers of one version make the same of a source. */
  String version();

  /**
   * Compiles a source.
   *
   * @param architecture such as "sm_90" for a card's code, or "compute_90" for PTX, which the
   *     driver compiles further
   * @throws CudaException with the compiler's log if the source has an error
   */
  byte[] compile(KernelSource source, String architecture);

  /** The newest architecture whose code a card of this compute capability (90 for 9.0) runs. */
  String architectureFor(int capability);
}
