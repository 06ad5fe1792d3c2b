package org.peftjava.peft;

import java.util.Optional;
import java.util.Set;
import org.peftjava.peft.tuner.AddOptions;

/**
 * How {@link Peft#injectAdapterInModel} adds an adapter.
 *
 * @param adapterName its name; "default"
 * @param lowCpuMemUsage whether the adapter gets no values, because {@link
 *     Peft#setPeftModelStateDict} will bring them; false
 * @param stateDict keys of weights that say which modules are adapted, in place of the config's
 *     targets
 */
public record InjectOptions(
    String adapterName, boolean lowCpuMemUsage, Optional<Set<String>> stateDict) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  AddOptions weights() {
    return new AddOptions(true, lowCpuMemUsage);
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private String adapterName = PeftModel.DEFAULT_ADAPTER;
    private boolean lowCpuMemUsage;
    private Optional<Set<String>> stateDict = Optional.empty();

    private Builder() {}

    /** The adapter's name. */
    public Builder adapterName(String value) {
      adapterName = value;
      return this;
    }

    /** Whether the adapter gets no values, because others will be set. */
    public Builder lowCpuMemUsage(boolean value) {
      lowCpuMemUsage = value;
      return this;
    }

    /** Keys of weights, such as "layers.0.fc.lora_A.weight", that say which modules are adapted. */
    public Builder stateDict(Set<String> keys) {
      stateDict = Optional.of(Set.copyOf(keys));
      return this;
    }

    /** The options. */
    public InjectOptions build() {
      return new InjectOptions(adapterName, lowCpuMemUsage, stateDict);
    }
  }
}
