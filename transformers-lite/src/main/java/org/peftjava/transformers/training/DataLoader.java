package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * The batches of a dataset, for a training loop of one's own: each pass through it is an epoch.
 * Java arrays only; a model takes a batch to its device.
 *
 * <p>Reference: {@code torch.utils.data.DataLoader}. Batches are made when they are asked for, on
 * the thread that asks.
 */
public final class DataLoader implements Iterable<TokenBatch> {
  private final Dataset dataset;
  private final int batchSize;
  private final boolean shuffle;
  private final boolean dropLast;
  private final DataCollator collateFn;
  private final SplittableRandom seeds;

  private DataLoader(Dataset dataset, Builder options, DataCollator collateFn) {
    this.dataset = dataset;
    this.batchSize = options.batchSize;
    this.shuffle = options.shuffle;
    this.dropLast = options.dropLast;
    this.collateFn = collateFn;
    seeds = new SplittableRandom(options.seed);
  }

  /**
   * Loads batches of one example, in order, unless the options say otherwise; {@code collateFn}
   * must be among them.
   */
  public static DataLoader of(Dataset dataset, Consumer<Builder> options) {
    Builder builder = new Builder();
    options.accept(builder);
    DataCollator collator = builder.collateFn;
    if (collator == null) {
      throw new IllegalArgumentException(
          "A DataLoader needs to know how examples become a batch. Set collateFn(...), such as"
              + " DataCollatorWithPadding.of(tokenizer).");
    }
    return new DataLoader(dataset, builder, collator);
  }

  /** Batches in an epoch: Python's {@code len(dataloader)}. */
  public int length() {
    return dropLast ? dataset.size() / batchSize : (dataset.size() + batchSize - 1) / batchSize;
  }

  /** The next epoch; if batches are shuffled, in another order than the one before. */
  @Override
  public Iterator<TokenBatch> iterator() {
    int[] order =
        shuffle
            ? Permutation.of(dataset.size(), seeds.split())
            : BatchOrder.sequential(dataset.size());
    List<int[]> batches = BatchOrder.batches(order, batchSize, dropLast);
    return batches.stream()
        .map(rows -> collateFn.collate(Arrays.stream(rows).mapToObj(dataset::get).toList()))
        .iterator();
  }

  /** Collects options. */
  public static final class Builder {
    private int batchSize = 1;
    private boolean shuffle;
    private boolean dropLast;
    private long seed = 42;
    private @Nullable DataCollator collateFn;

    private Builder() {}

    /** Examples in a batch; 1. */
    public Builder batchSize(int value) {
      ArgumentChecks.positive("batchSize", value);
      batchSize = value;
      return this;
    }

    /** Whether each epoch has a random order; false. */
    public Builder shuffle(boolean value) {
      shuffle = value;
      return this;
    }

    /** Whether an incomplete last batch is left out; false. */
    public Builder dropLast(boolean value) {
      dropLast = value;
      return this;
    }

    /** How examples become a batch. */
    public Builder collateFn(DataCollator value) {
      collateFn = value;
      return this;
    }

    /** Of the orders; 42. */
    public Builder seed(long value) {
      seed = value;
      return this;
    }
  }
}
