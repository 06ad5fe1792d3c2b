package org.peftjava.peft;

/**
 * How an adapter is added to a model.
 *
 * @param adapterName its name; "default"
 * @param autocastAdapterDtype whether adapters of 16-bit layers are float32; true
 */
public record AdapterOptions(String adapterName, boolean autocastAdapterDtype) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private String adapterName = PeftModel.DEFAULT_ADAPTER;
    private boolean autocastAdapterDtype = true;

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

    /** The options. */
    public AdapterOptions build() {
      return new AdapterOptions(adapterName, autocastAdapterDtype);
    }
  }
}
