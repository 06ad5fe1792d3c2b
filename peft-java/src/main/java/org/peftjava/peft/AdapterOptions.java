package org.peftjava.peft;

import org.peftjava.peft.tuner.AddOptions;

/**
 * How an adapter is added to a model.
 *
 * @param adapterName its name; "default"
 * @param autocastAdapterDtype whether adapters of 16-bit layers are float32; true
 * @param lowCpuMemUsage whether the adapter gets no values, because {@link
 *     Peft#setPeftModelStateDict} will bring them; false
 * @param mixed whether the model may have adapters of other types too, as {@link PeftMixedModel};
 *     false
 */
public record AdapterOptions(
    String adapterName, boolean autocastAdapterDtype, boolean lowCpuMemUsage, boolean mixed) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  AddOptions weights() {
    return new AddOptions(autocastAdapterDtype, lowCpuMemUsage);
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private String adapterName = PeftModel.DEFAULT_ADAPTER;
    private boolean autocastAdapterDtype = true;
    private boolean lowCpuMemUsage;
    private boolean mixed;

    private Builder() {}

    /** The adapter's name. */
    public Builder adapterName(String value) {
      adapterName = value;
      return this;
    }

    /** Whether adapters of 16-bit layers are float32. */
    public Builder autocastAdapterDtype(boolean value) {
      autocastAdapterDtype = value;
      return this;
    }

    /**
     * Whether the adapter gets no values, because others will be set. Using it before is an error.
     */
    public Builder lowCpuMemUsage(boolean value) {
      lowCpuMemUsage = value;
      return this;
    }

    /** Whether the model may have adapters of other types too. */
    public Builder mixed(boolean value) {
      mixed = value;
      return this;
    }

    /** The options. */
    public AdapterOptions build() {
      return new AdapterOptions(adapterName, autocastAdapterDtype, lowCpuMemUsage, mixed);
    }
  }
}
