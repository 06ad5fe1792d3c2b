package org.peftjava.transformers;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;

/**
 * How {@link AutoModelForCausalLM#fromPretrained} loads a model.
 *
 * @param dtype the weights' type; empty for the one that the config names, else the file's
 * @param device where the weights go
 */
public record LoadOptions(Optional<DType> dtype, Device device) {
  /** The defaults: the file's type, on the CPU. */
  public static Builder builder() {
    return new Builder();
  }

  /** Builds {@link LoadOptions}. */
  public static final class Builder {
    private Optional<DType> dtype = Optional.empty();
    private Device device = Device.CPU;

    private Builder() {}

    /** Converts floating-point weights to this type, one tensor at a time. */
    public Builder dtype(DType type) {
      if (!type.isFloatingPoint()) {
        throw new IllegalArgumentException(
            "dtype is " + type + ". Expected a floating-point type such as float32 or bfloat16.");
      }
      dtype = Optional.of(type);
      return this;
    }

    /** A type by its Python name, or "auto" for the file's. */
    public Builder dtype(String name) {
      if (name.equals("auto")) {
        dtype = Optional.empty();
        return this;
      }
      return dtype(DType.parse(name));
    }

    /** Where the weights go. */
    public Builder device(Device target) {
      device = target;
      return this;
    }

    /** Where the weights go, by name: "cpu", "cuda", "cuda:1". */
    public Builder device(String name) {
      return device(Device.parse(name));
    }

    /** The options. */
    public LoadOptions build() {
      return new LoadOptions(dtype, device);
    }
  }
}
