package org.peftjava.transformers;

import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.transformers.hub.HubOptions;

/**
 * How {@code loadAdapter} of a plain model loads an adapter.
 *
 * @param adapterName its name in the model; "default"
 * @param isTrainable whether it is to be trained further; false, which also switches the model to
 *     evaluation mode
 * @param hotswap whether it takes the place of the adapter of that name; if not said, it does if
 *     {@link PeftAdapterMixin#enablePeftHotswap} was called and there is one
 * @param hub how a name that is no folder is looked up
 * @param subfolder where the files are below the folder or in the repository; empty for there
 */
public record AdapterLoadOptions(
    String adapterName,
    boolean isTrainable,
    Optional<Boolean> hotswap,
    Consumer<HubOptions.Builder> hub,
    Optional<String> subfolder) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  static AdapterLoadOptions of(Consumer<Builder> options) {
    Builder builder = builder();
    options.accept(builder);
    return builder.build();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private String adapterName = PeftAdapterMixin.DEFAULT_ADAPTER;
    private boolean isTrainable;
    private Optional<Boolean> hotswap = Optional.empty();
    private Consumer<HubOptions.Builder> hub = options -> {};
    private Optional<String> subfolder = Optional.empty();

    private Builder() {}

    /** The adapter's name in the model. */
    public Builder adapterName(String value) {
      adapterName = value;
      return this;
    }

    /** Whether the adapter is to be trained further. */
    public Builder isTrainable(boolean value) {
      isTrainable = value;
      return this;
    }

    /** Whether it takes the place of the LoRA adapter of that name. */
    public Builder hotswap(boolean value) {
      hotswap = Optional.of(value);
      return this;
    }

    /** Where the files are below the folder or in the repository. */
    public Builder subfolder(String value) {
      subfolder = Optional.of(value);
      return this;
    }

    /** The branch, tag or commit of the adapter's repository on the hub. */
    public Builder revision(String value) {
      return hub(options -> options.revision(value));
    }

    /** How a name that is no folder is looked up; adds to what was said before. */
    public Builder hub(Consumer<HubOptions.Builder> value) {
      hub = hub.andThen(value);
      return this;
    }

    /** The options. */
    public AdapterLoadOptions build() {
      return new AdapterLoadOptions(adapterName, isTrainable, hotswap, hub, subfolder);
    }
  }
}
