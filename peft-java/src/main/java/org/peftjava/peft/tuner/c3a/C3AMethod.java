package org.peftjava.peft.tuner.c3a;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.Parameter;

/** C3A. Reference: PEFT {@code tuners/c3a/model.py::C3AModel}. */
public final class C3AMethod extends LayerTunerMethod<C3AConfig> {
  /** The method; {@code TunerMethods} has it. */
  public C3AMethod() {
    super("C3A", "C3AModel", "c3a_", C3AConfig.class, DefaultTargets.of("fourierft"));
  }

  @Override
  public C3AConfig parse(Map<String, ? extends @Nullable Object> values) {
    return C3AConfig.of(values);
  }

  @Override
  public String layerType(String kind) {
    return "c3a.C3A" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, C3AConfig config) {
    long d = site.linear().inFeatures();
    long o = site.linear().outFeatures();
    long b = blockSize(config, site.path());
    if (b < 1 || d % b != 0 || o % b != 0) {
      throw new IllegalArgumentException(
          "C3AConfig: blockSize "
              + b
              + " does not divide the "
              + d
              + " inputs and "
              + o
              + " outputs of \""
              + site.path()
              + "\". Choose a common divisor, or give this layer its own in blockSizePattern.");
    }
    Parameter kernel =
        new Parameter(
            Shape.of(o / b, d / b, b), DType.FLOAT32, C3AInit.of(config.fields()).init(d, o));
    kernel.initialize();
    kernel.to(site.device());
    return new C3AAdapter(kernel);
  }

  private static long blockSize(C3AConfig config, String path) {
    return patternBehindDot(config, "block_size_pattern", path)
        .orElse(config.blockSize())
        .longValue();
  }
}
