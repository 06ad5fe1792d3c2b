package org.peftjava.quant.bnb;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/** Another launcher, with counts of what it ran, on whatever thread. */
public final class CountingLauncher implements KernelLauncher {
  private final KernelLauncher kernels;
  private final Map<String, Integer> launched = new ConcurrentHashMap<>();

  /** Counts from 0. */
  public CountingLauncher(KernelLauncher kernels) {
    this.kernels = kernels;
  }

  @Override
  public void launch(String kernel, LaunchGrid grid, long... arguments) {
    launched.merge(kernel, 1, Integer::sum);
    kernels.launch(kernel, grid, arguments);
  }

  @Override
  public void launchOver(String kernel, LaunchGrid grid, long[] table, long... arguments) {
    launched.merge(kernel, 1, Integer::sum);
    kernels.launchOver(kernel, grid, table, arguments);
  }

  @Override
  public long table(float... values) {
    return kernels.table(values);
  }

  @Override
  public int capability() {
    return kernels.capability();
  }

  /** How often a kernel, or all whose names start so, were launched. */
  public int launches(String kernel) {
    return launched.entrySet().stream()
        .filter(entry -> entry.getKey().startsWith(kernel))
        .mapToInt(Map.Entry::getValue)
        .sum();
  }
}
