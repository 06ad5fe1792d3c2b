package org.peftjava.transformers;

import java.util.function.Consumer;

/**
 * How {@code savePretrained} writes a model.
 *
 * @param maxShardSize bytes of tensors in one file; more go into several files with an index
 */
public record SaveOptions(long maxShardSize) {
  /** transformers' default, "50GB". */
  private static final long DEFAULT_SHARD_SIZE = 50_000_000_000L;

  /** Checks the size. */
  public SaveOptions {
    if (maxShardSize <= 0) {
      throw new IllegalArgumentException(
          "maxShardSize is " + maxShardSize + "; expected a positive number of bytes.");
    }
  }

  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  static SaveOptions of(Consumer<Builder> options) {
    Builder builder = builder();
    options.accept(builder);
    return builder.build();
  }

  /** Collects options. */
  public static final class Builder {
    private long maxShardSize = DEFAULT_SHARD_SIZE;

    private Builder() {}

    /** Bytes of tensors in one file; a larger tensor gets a file of its own. */
    public Builder maxShardSize(long bytes) {
      maxShardSize = bytes;
      return this;
    }

    /** The same as text with a decimal unit: "5GB", "200MB", "8KB", "1TB". */
    public Builder maxShardSize(String size) {
      return maxShardSize(ByteSize.parse(size, "maxShardSize"));
    }

    /** The options. */
    public SaveOptions build() {
      return new SaveOptions(maxShardSize);
    }
  }
}
