package org.peftjava.torch.optim;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.peftjava.torch.CardPath;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.KernelTable;
import org.peftjava.torch.cuda.LaunchGrid;

/** What an optimizer does on cards, in one launch for all tensors of a type. */
final class CardOptimizer {
  private static final int THREADS = 256;

  /** Numbers of a gradient whose squares a thread block sums. */
  private static final int SUMMED = 64 * THREADS;

  private CardOptimizer() {}

  /** AdamW steps of float32 parameters. */
  static final class Step {
    private final AdamW.Options options;
    private final double learningRate;
    private final Map<KernelLauncher, KernelTable> tables = new LinkedHashMap<>();

    Step(AdamW.Options options, double learningRate) {
      this.options = options;
      this.learningRate = learningRate;
    }

    /** Adds a parameter; false if there is no kernel for it. All must stay open until run. */
    boolean add(Tensor p, Tensor g, Tensor mean, Tensor square, long step) {
      if (p.dtype() != DType.FLOAT32 || g.dtype() != DType.FLOAT32) {
        return false;
      }
      Optional<KernelLauncher> launcher = CardPath.gapless(p, g, mean, square);
      if (launcher.isEmpty()) {
        return false;
      }
      double correction1 = 1 - Math.pow(options.beta1(), step);
      double correction2 = 1 - Math.pow(options.beta2(), step);
      tables
          .computeIfAbsent(launcher.get(), key -> new KernelTable(6))
          .add(
              LaunchGrid.over(p.numel(), 8, THREADS).x(),
              p.address(),
              g.address(),
              mean.address(),
              square.address(),
              p.numel(),
              KernelLauncher.pair(-learningRate / correction1, Math.sqrt(correction2)));
      return true;
    }

    void run() {
      tables.forEach(
          (launcher, table) ->
              table.launch(
                  launcher,
                  "adamw",
                  THREADS,
                  KernelLauncher.argument(1 - learningRate * options.weightDecay()),
                  KernelLauncher.argument(1 - options.beta1()),
                  KernelLauncher.argument(options.beta2()),
                  KernelLauncher.argument(1 - options.beta2()),
                  KernelLauncher.argument(options.eps())));
    }
  }

  /** Gradients of one type on one card. */
  private record Kind(KernelLauncher launcher, String suffix) {}

  /** The tensors by their kind; empty if there is no kernel for one of them. */
  private static Optional<Map<Kind, List<Tensor>>> kinds(List<Tensor> tensors) {
    Map<Kind, List<Tensor>> result = new LinkedHashMap<>();
    for (Tensor tensor : tensors) {
      Optional<String> suffix = CardTensors.suffix(tensor.dtype());
      Optional<KernelLauncher> launcher =
          suffix.isEmpty() ? Optional.empty() : CardPath.gapless(tensor);
      if (launcher.isEmpty()) {
        return Optional.empty();
      }
      result
          .computeIfAbsent(new Kind(launcher.get(), suffix.orElseThrow()), key -> new ArrayList<>())
          .add(tensor);
    }
    return Optional.of(result);
  }

  /**
   * The sum of all squares, float32 within a thread block, double across; empty without kernels.
   */
  static OptionalDouble squaredNorm(List<Tensor> tensors) {
    Optional<Map<Kind, List<Tensor>>> kinds = kinds(tensors);
    if (kinds.isEmpty()) {
      return OptionalDouble.empty();
    }
    List<Tensor> sums = new ArrayList<>();
    kinds.get().forEach((kind, some) -> sums.add(sumsOf(kind, some)));
    double result = 0;
    for (Tensor some : sums) { // the first one waits for the card
      for (float sum : some.toFloats()) {
        result += sum;
      }
    }
    return OptionalDouble.of(result);
  }

  /** A sum of squares for each thread block. */
  private static Tensor sumsOf(Kind kind, List<Tensor> tensors) {
    long all = tensors.stream().mapToLong(CardOptimizer::blocks).sum();
    Tensor sums = Creation.empty(DType.FLOAT32, tensors.get(0).device(), all);
    KernelTable table = new KernelTable(3);
    long next = sums.address();
    for (Tensor tensor : tensors) {
      int blocks = blocks(tensor);
      table.add(blocks, tensor.address(), tensor.numel(), next);
      next += (long) Float.BYTES * blocks;
    }
    table.launch(kind.launcher(), "squares" + kind.suffix(), THREADS);
    return sums;
  }

  private static int blocks(Tensor tensor) {
    return Math.toIntExact((tensor.numel() + SUMMED - 1) / SUMMED);
  }

  /** Multiplies all by a factor; false, with nothing done, without kernels. */
  static boolean scale(List<Tensor> tensors, double factor) {
    Optional<Map<Kind, List<Tensor>>> kinds = kinds(tensors);
    kinds.ifPresent(
        all ->
            all.forEach(
                (kind, some) -> {
                  KernelTable table = new KernelTable(2);
                  some.forEach(
                      tensor ->
                          table.add(
                              LaunchGrid.over(tensor.numel(), 8, THREADS).x(),
                              tensor.address(),
                              tensor.numel()));
                  table.launch(
                      kind.launcher(),
                      "scale" + kind.suffix(),
                      THREADS,
                      KernelLauncher.argument(factor));
                }));
    return kinds.isPresent();
  }
}
