package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.ExpertWeights;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/** Makes LoRA's matrices for parameters of a layer. Reference: PEFT {@code ParamWrapper}. */
final class ParameterLora {
  private ParameterLora() {}

  /** The adapter of these parameters. */
  static LayerAdapter newAdapter(LayerSite site, LoraConfig config, List<String> names) {
    check(config);
    List<ParameterLoraAdapter.Target> targets = new ArrayList<>();
    try (TensorScope scope = TensorScope.open("new adapter");
        GradMode off = GradMode.noGrad()) {
      names.forEach(name -> targets.add(target(site, config, name)));
    }
    return new ParameterLoraAdapter(site.layer(), targets);
  }

  private static void check(LoraConfig config) {
    Map<String, Boolean> problems = new LinkedHashMap<>();
    problems.put("loraDropout", config.loraDropout() > 0);
    problems.put("fanInFanOut", config.fanInFanOut());
    problems.put("loraBias", config.loraBias());
    problems.put("useDora", config.useDora());
    problems.put("aloraInvocationTokens", !config.invocationTokens().isEmpty());
    LoraInit init = config.initLoraWeights();
    problems.put(
        "the initialization " + init.toField(),
        !(init instanceof LoraInit.Standard
            || init instanceof LoraInit.Random
            || init instanceof LoraInit.Gaussian));
    problems.values().removeIf(isProblem -> !isProblem);
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException(
          "targetParameters cannot be used with "
              + String.join(", ", problems.keySet())
              + ": the change is made to a parameter, whatever its layer does with it.");
    }
  }

  private static ParameterLoraAdapter.Target target(
      LayerSite site, LoraConfig config, String name) {
    Shape shape = Objects.requireNonNull(site.layer().ownParameters().get(name)).shape();
    boolean isMatrix = shape.rank() == 2;
    boolean turned =
        !isMatrix && site.layer() instanceof ExpertWeights experts && experts.isTransposed();
    long count = isMatrix ? 1 : shape.get(0);
    long first = shape.get(isMatrix ? 0 : 1);
    long second = shape.get(isMatrix ? 1 : 2);
    long in = turned ? first : second;
    long out = turned ? second : first;
    String path = site.path() + "." + name;
    int r = LoraMethod.rank(config, path);
    Parameter a = drawn(Init.kaimingUniform(in), count * r, in);
    Parameter b = drawn(Init.kaimingUniform(count * r), out, count * r);
    LoraInit init = config.initLoraWeights();
    if (!(init instanceof LoraInit.Random)) {
      Init start =
          init instanceof LoraInit.Gaussian ? Init.normal(1.0 / r) : Init.kaimingUniform(in);
      start.fill(a.tensor());
      Init.zeros().fill(b.tensor());
    }
    double scaling = LoraMethod.scaling(config, path);
    return new ParameterLoraAdapter.Target(
        name, site.place(a), site.place(b), count, turned, scaling);
  }

  private static Parameter drawn(Init init, long... sizes) {
    Parameter parameter = new Parameter(Shape.of(sizes), DType.FLOAT32, init);
    parameter.initialize();
    return parameter;
  }
}
