package org.peftjava.torch.cuda;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.cuda.nvrtc._nvrtcProgram;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.javacpp.SizeTPointer;

/**
 * NVIDIA's run-time compiler. This class needs {@code org.bytedeco:cuda} and NVRTC itself, from
 * {@code cuda-redist} or a CUDA installation; nothing else may touch it before there is a card.
 */
public final class Nvrtc implements KernelCompiler {
  /** Products and sums are contracted where the source says so: results are those of the CPU. */
  private static final List<String> OPTIONS = List.of("--std=c++17", "--fmad=false");

  @Override
  public String version() {
    int[] major = new int[1];
    int[] minor = new int[1];
    check(nvrtc.nvrtcVersion(major, minor), "nvrtcVersion");
    return major[0] + "." + minor[0] + " " + String.join(" ", OPTIONS);
  }

  @Override
  public String architectureFor(int capability) {
    int[] count = new int[1];
    check(nvrtc.nvrtcGetNumSupportedArchs(count), "nvrtcGetNumSupportedArchs");
    int[] known = new int[count[0]];
    check(nvrtc.nvrtcGetSupportedArchs(known), "nvrtcGetSupportedArchs");
    return architectureFor(capability, known);
  }

  /** The card's own code if the compiler knows the card; PTX for cards that are newer than it. */
  static String architectureFor(int capability, int[] known) {
    if (Arrays.stream(known).anyMatch(arch -> arch == capability)) {
      return "sm_" + capability;
    }
    return "compute_"
        + Arrays.stream(known)
            .filter(arch -> arch < capability)
            .max()
            .orElseThrow(
                () ->
                    new CudaException(
                        "The card has compute capability %d.%d; this version of NVRTC compiles for %d.%d and newer. Use the CUDA libraries of an older release."
                            .formatted(
                                capability / 10,
                                capability % 10,
                                Arrays.stream(known).min().orElse(0) / 10,
                                Arrays.stream(known).min().orElse(0) % 10)));
  }

  @Override
  public byte[] compile(KernelSource source, String architecture) {
    try (PointerScope scope = new PointerScope()) {
      _nvrtcProgram program = new _nvrtcProgram();
      Map<String, String> headers = source.headers();
      check(
          nvrtc.nvrtcCreateProgram(
              program,
              text(source.text()),
              text(source.name()),
              headers.size(),
              texts(List.copyOf(headers.values())),
              texts(List.copyOf(headers.keySet()))),
          "nvrtcCreateProgram");
      try {
        List<String> options =
            List.of("--gpu-architecture=" + architecture, OPTIONS.get(0), OPTIONS.get(1));
        int result = nvrtc.nvrtcCompileProgram(program, options.size(), texts(options));
        if (result != nvrtc.NVRTC_SUCCESS) {
          throw new CudaException(
              "NVRTC %s cannot compile %s for %s: %s. Its log:%n%s"
                  .formatted(version(), source.name(), architecture, error(result), log(program)));
        }
        return architecture.startsWith("sm_") ? cubin(program) : ptx(program);
      } finally {
        nvrtc.nvrtcDestroyProgram(new PointerPointer<>(1).put(0, program));
      }
    }
  }

  private static byte[] cubin(_nvrtcProgram program) {
    SizeTPointer size = new SizeTPointer(1);
    check(nvrtc.nvrtcGetCUBINSize(program, size), "nvrtcGetCUBINSize");
    byte[] result = new byte[Math.toIntExact(size.get())];
    check(nvrtc.nvrtcGetCUBIN(program, result), "nvrtcGetCUBIN");
    return result;
  }

  private static byte[] ptx(_nvrtcProgram program) {
    SizeTPointer size = new SizeTPointer(1);
    check(nvrtc.nvrtcGetPTXSize(program, size), "nvrtcGetPTXSize");
    byte[] result = new byte[Math.toIntExact(size.get())];
    check(nvrtc.nvrtcGetPTX(program, result), "nvrtcGetPTX");
    return result;
  }

  private static String log(_nvrtcProgram program) {
    SizeTPointer size = new SizeTPointer(1);
    if (nvrtc.nvrtcGetProgramLogSize(program, size) != nvrtc.NVRTC_SUCCESS || size.get() < 1) {
      return "(none)";
    }
    byte[] bytes = new byte[Math.toIntExact(size.get())];
    nvrtc.nvrtcGetProgramLog(program, bytes);
    return new String(bytes, 0, bytes.length - 1, StandardCharsets.UTF_8).strip();
  }

  private static BytePointer text(String value) {
    return new BytePointer(value, StandardCharsets.UTF_8);
  }

  private static PointerPointer<BytePointer> texts(List<String> values) {
    PointerPointer<BytePointer> result = new PointerPointer<>(Math.max(1, values.size()));
    for (int i = 0; i < values.size(); i++) {
      result.put(i, text(values.get(i)));
    }
    return result;
  }

  private static void check(int result, String call) {
    if (result != nvrtc.NVRTC_SUCCESS) {
      throw new CudaException("NVRTC: " + call + " failed: " + error(result) + ".");
    }
  }

  private static String error(int result) {
    return nvrtc.nvrtcGetErrorString(result).getString();
  }
}
