package org.peftjava.peft.tuner.lora;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of the initialization "corda", arXiv:2406.05223. Reference: PEFT {@code
 * tuners/lora/config.py::CordaConfig}.
 */
public final class CordaConfig extends LoraSubConfig {
  /** Which part of the weight the adapter takes. */
  public enum CordaMethod {
    /** What the data uses most, for learning fast. */
    IPM,
    /** What the data uses least, for keeping what the data needs. */
    KPM
  }

  private static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private CordaConfig(ConfigFields fields) {
    super(fields);
    cacheFile();
    covarianceFile();
    cordaMethod();
    for (String flag :
        new String[] {"verbose", "use_float16_for_covariance", "prune_temporary_fields"}) {
      fields.flag(flag);
    }
  }

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("cache_file", null);
    values.put("covariance_file", null);
    values.put("corda_method", "ipm");
    values.put("verbose", false);
    values.put("use_float16_for_covariance", false);
    values.put("prune_temporary_fields", true);
    return values;
  }

  /** The options with these values of {@code corda_config}; absent ones have Python's defaults. */
  public static CordaConfig of(Map<String, ? extends @Nullable Object> values) {
    return new CordaConfig(ConfigFields.of("CordaConfig", DEFAULTS, values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Where the decompositions are kept for another time. */
  public Optional<Path> cacheFile() {
    return fields().text("cache_file").map(Path::of);
  }

  /** Where the covariances are kept for another time. */
  public Optional<Path> covarianceFile() {
    return fields().text("covariance_file").map(Path::of);
  }

  /** Which part of the weight the adapter takes. */
  public CordaMethod cordaMethod() {
    for (CordaMethod method : CordaMethod.values()) {
      if (method.name().toLowerCase(Locale.ROOT).equals(fields().get("corda_method"))) {
        return method;
      }
    }
    throw fields().invalid("corda_method", "must be ipm or kpm");
  }

  /** Whether covariances are summed in the type of the layers' inputs instead of float32. */
  public boolean useFloat16ForCovariance() {
    return fields().flag("use_float16_for_covariance");
  }

  /** Collects options. Each method is the Python field of the same name. */
  public static final class Builder extends LoraSubConfig.Builder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** Where the decompositions are kept for another time; a file of torch.save. */
    public Builder cacheFile(Path value) {
      return set("cache_file", value.toString());
    }

    /** Where the covariances are kept for another time, such as another rank. */
    public Builder covarianceFile(Path value) {
      return set("covariance_file", value.toString());
    }

    /** Which part of the weight the adapter takes; IPM. */
    public Builder cordaMethod(CordaMethod value) {
      return set("corda_method", value.name().toLowerCase(Locale.ROOT));
    }

    /** Whether each decomposition is reported; false. */
    public Builder verbose(boolean value) {
      return set("verbose", value);
    }

    /** Whether covariances are summed in the type of the layers' inputs; false. */
    public Builder useFloat16ForCovariance(boolean value) {
      return set("use_float16_for_covariance", value);
    }

    /** Kept for Python; nothing temporary is left in the model here; true. */
    public Builder pruneTemporaryFields(boolean value) {
      return set("prune_temporary_fields", value);
    }

    /** The options, checked. */
    public CordaConfig build() {
      return of(values());
    }
  }
}
