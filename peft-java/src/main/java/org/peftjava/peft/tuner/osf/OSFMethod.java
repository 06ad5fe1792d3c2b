package org.peftjava.peft.tuner.osf;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/** OSF. Reference: PEFT {@code tuners/osf/model.py::OSFModel}. */
public final class OSFMethod extends LayerTunerMethod<OSFConfig> {
  private static final DefaultTargets DEFAULTS = DefaultTargets.of("osf");

  /** The method; {@code TunerMethods} has it. */
  public OSFMethod() {
    super("OSF", "OSFModel", "osf_", OSFConfig.class, DEFAULTS);
  }

  @Override
  public OSFConfig parse(Map<String, ? extends @Nullable Object> values) {
    return OSFConfig.of(values);
  }

  @Override
  public boolean readsBaseWeights() {
    return true;
  }

  /** All linear layers where the architecture has no default. */
  @Override
  public OSFConfig prepared(OSFConfig config, BaseModel model) {
    return config.fields().isSet("target_modules")
            || model.modelType().flatMap(DEFAULTS::get).isPresent()
        ? config
        : config.with("target_modules", TargetModules.allLinear().toField());
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, OSFConfig config) {
    LinearLayer layer = site.linear();
    long most = Math.min(layer.inFeatures(), layer.outFeatures());
    int kept = config.keptOf(site.path(), most);
    long rest = most - kept;
    try (TensorScope scope = TensorScope.open("osf");
        GradMode off = GradMode.noGrad()) {
      LinearAlgebra.Svd svd = LinearAlgebra.svd(layer.denseWeight(DType.FLOAT32));
      Parts start =
          new Parts(
              of(site, svd.u().narrow(1, kept, rest)),
              of(site, svd.s().narrow(0, kept, rest)),
              of(site, svd.vh().narrow(0, kept, rest)));
      Init random = Init.normal(1);
      Parts trained =
          config.initWeights()
              ? new Parts(
                  site.parameter(like(start.u()), start.u().shape().toArray()),
                  site.parameter(like(start.s()), rest),
                  site.parameter(like(start.v()), start.v().shape().toArray()))
              : new Parts(
                  site.parameter(random, start.u().shape().toArray()),
                  site.parameter(random, rest),
                  site.parameter(random, start.v().shape().toArray()));
      boolean tall = layer.outFeatures() > layer.inFeatures();
      boolean wide = layer.outFeatures() < layer.inFeatures();
      return new OSFAdapter(
          trained,
          start,
          tall ? of(site, svd.u().narrow(1, 0, kept)) : null,
          wide ? of(site, svd.vh().narrow(0, 0, kept)) : null);
    }
  }

  /** A constant with these values, which is needed also where first values are not. */
  private static Parameter of(LayerSite site, Tensor values) {
    Parameter result =
        new Parameter(values.shape(), DType.FLOAT32, tensor -> tensor.copyInPlace(values));
    result.initialize();
    return site.place(result);
  }

  private static Init like(Parameter other) {
    return tensor -> tensor.copyInPlace(other.tensor().detach().to(DType.FLOAT32));
  }
}
