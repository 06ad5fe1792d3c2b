package org.peftjava.peft;

import java.util.Optional;
import java.util.function.Consumer;

/**
 * Which shadow model is taken, and how.
 *
 * @param adapterName whose; empty for the adapter that acts
 * @param copy whether it gets weights of its own
 */
public record UnloadShadowOptions(Optional<String> adapterName, boolean copy) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  static UnloadShadowOptions of(Consumer<Builder> options) {
    Builder builder = builder();
    options.accept(builder);
    return builder.build();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<String> adapterName = Optional.empty();
    private boolean copy;

    private Builder() {}

    /** Whose shadow model is taken. */
    public Builder adapterName(String name) {
      adapterName = Optional.of(name);
      return this;
    }

    /** Whether it gets weights of its own. */
    public Builder copy(boolean value) {
      copy = value;
      return this;
    }

    /** The options. */
    public UnloadShadowOptions build() {
      return new UnloadShadowOptions(adapterName, copy);
    }
  }
}
