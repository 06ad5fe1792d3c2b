package org.peftjava.quant.bnb;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.FloatPointer;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/** Runs the CUDA kernels on the CPU. */
public final class EmulatedLauncher implements KernelLauncher {
  private static final Map<List<Float>, FloatPointer> TABLES = new ConcurrentHashMap<>();

  private final int capability;

  /** A card of this compute capability. */
  EmulatedLauncher(int capability) {
    this.capability = capability;
  }

  /** A card that all kernels are for. */
  public EmulatedLauncher() {
    this(90);
  }

  /** The kernels that there are. */
  static List<String> kernels() {
    return EmulationLibrary.names().lines().toList();
  }

  @Override
  public void launch(String kernel, LaunchGrid grid, long... arguments) {
    EmulationLibrary.launch(
        kernel, grid.x(), grid.y(), grid.threads(), null, arguments, arguments.length);
  }

  @Override
  public void launchOver(String kernel, LaunchGrid grid, long[] table, long... arguments) {
    EmulationLibrary.launch(
        kernel, grid.x(), grid.y(), grid.threads(), table, arguments, arguments.length);
  }

  @Override
  public long table(float... values) {
    Float[] key = new Float[values.length];
    Arrays.setAll(key, i -> values[i]);
    return TABLES
        .computeIfAbsent(List.of(key), k -> new FloatPointer(values).retainReference())
        .address();
  }

  @Override
  public int capability() {
    return capability;
  }
}
