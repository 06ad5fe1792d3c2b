package org.peftjava.transformers.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Which examples the batches of an epoch hold: a function of the data seed and the epoch, so that a
 * resumed run needs no replay.
 *
 * <p>The permutations come from {@link SplittableRandom} and differ from those that Python draws
 * from the same seed.
 */
final class BatchOrder {
  /** Batches among which examples are sorted by length, as in transformers' length grouping. */
  private static final int GROUPED_BATCHES = 50;

  private final Dataset dataset;
  private final TrainingArguments args;

  BatchOrder(Dataset dataset, TrainingArguments args) {
    this.dataset = dataset;
    this.args = args;
  }

  /** The batches of an epoch, each as indices into the dataset. */
  List<int[]> epoch(int epoch) {
    return batches(order(epoch), args.perDeviceTrainBatchSize(), args.dataloaderDropLast());
  }

  /** Consecutive batches. */
  static List<int[]> batches(int[] order, int size, boolean dropLast) {
    List<int[]> batches = new ArrayList<>();
    for (int start = 0; start < order.length; start += size) {
      int end = Math.min(order.length, start + size);
      if (end - start == size || !dropLast) {
        batches.add(Arrays.copyOfRange(order, start, end));
      }
    }
    return batches;
  }

  static int[] sequential(int size) {
    int[] order = new int[size];
    Arrays.setAll(order, i -> i);
    return order;
  }

  private int[] order(int epoch) {
    if (args.trainSamplingStrategy() == SamplingStrategy.SEQUENTIAL) {
      return sequential(dataset.size());
    }
    long seed = args.dataSeed().orElse(args.seed());
    // The epoch enters through a split, so that seed 1, epoch 2 is not seed 2, epoch 1.
    SplittableRandom random = new SplittableRandom(new SplittableRandom(seed).nextLong() + epoch);
    int[] order = Permutation.of(dataset.size(), random);
    return args.trainSamplingStrategy() == SamplingStrategy.RANDOM ? order : grouped(order);
  }

  /**
   * Sorts stretches of the permutation by length, longest first; the longest of all comes first.
   */
  private int[] grouped(int[] order) {
    int step = args.perDeviceTrainBatchSize() * args.gradientAccumulationSteps();
    int stretch = step * Math.max(1, Math.min(order.length / (step * 4), GROUPED_BATCHES));
    int[] lengths = new int[order.length];
    Arrays.setAll(lengths, i -> dataset.get(i).length());
    List<int[]> stretches = batches(order, stretch, false);
    List<Integer> result = new ArrayList<>(order.length);
    for (int[] part : stretches) {
      Arrays.stream(part)
          .boxed()
          .sorted(Comparator.comparingInt((Integer i) -> -lengths[i]))
          .forEach(result::add);
    }
    int longest = 0;
    for (int i = 0; i < order.length; i += stretch) {
      longest = lengths[result.get(i)] > lengths[result.get(longest)] ? i : longest;
    }
    Integer first = result.get(0);
    result.set(0, result.get(longest));
    result.set(longest, first);
    return result.stream().mapToInt(Integer::intValue).toArray();
  }
}
