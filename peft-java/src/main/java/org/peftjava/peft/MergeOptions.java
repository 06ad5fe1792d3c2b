package org.peftjava.peft;

import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What is merged into the base weights, and how.
 *
 * @param adapterNames the adapters; empty for those that act
 * @param safeMerge whether to refuse merged weights that are not finite
 */
public record MergeOptions(Optional<List<String>> adapterNames, boolean safeMerge) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  static MergeOptions of(Consumer<Builder> options) {
    Builder builder = builder();
    options.accept(builder);
    return builder.build();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<List<String>> adapterNames = Optional.empty();
    private boolean safeMerge;

    private Builder() {}

    /** The adapters to merge. */
    public Builder adapterNames(String... names) {
      adapterNames = Optional.of(List.of(names));
      return this;
    }

    /** Whether to refuse merged weights that are not finite. */
    public Builder safeMerge(boolean value) {
      safeMerge = value;
      return this;
    }

    /** The options. */
    public MergeOptions build() {
      return new MergeOptions(adapterNames, safeMerge);
    }
  }
}
