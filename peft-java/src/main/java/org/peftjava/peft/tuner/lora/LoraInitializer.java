package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * Makes LoRA's matrices with their first values.
 *
 * <p>Random numbers are drawn in Python's order and type, including those that PyTorch draws for a
 * layer and PEFT overwrites, so that the same seed gives the same adapter. As there, values pass
 * through the base's type before they get the adapter's. Reference: PEFT {@code
 * LoraLayer.update_layer, reset_lora_parameters}.
 */
final class LoraInitializer {
  private static final List<String> OF_LINEAR =
      List.of("kasa_config", "velora_config", "monteclora_config", "arrow_config", "use_qalora");

  private final LayerSite site;
  private final LoraConfig config;
  private final LoraInit init;
  private final int r;
  private final double scaling;
  private final List<Parameter> made = new ArrayList<>();

  private LoraInitializer(LayerSite site, LoraConfig config, int r, double scaling) {
    this.site = site;
    this.config = config;
    this.r = r;
    this.scaling = scaling;
    init = config.initLoraWeights();
  }

  static LayerAdapter newAdapter(LayerSite site, LoraConfig config, int r, double scaling) {
    try (TensorScope scope = TensorScope.open("new adapter");
        GradMode off = GradMode.noGrad()) {
      LoraInitializer initializer = new LoraInitializer(site, config, r, scaling);
      try {
        return site.layer() instanceof LinearLayer linear
            ? initializer.linear(linear)
            : initializer.embedding((EmbeddingLayer) site.layer());
      } catch (RuntimeException e) {
        initializer.made.forEach(Parameter::close);
        throw e;
      }
    }
  }

  private LayerAdapter linear(LinearLayer layer) {
    long d = layer.inFeatures();
    long o = layer.outFeatures();
    Parameter a = drawn(Init.kaimingUniform(d), r, d);
    Parameter b = drawn(Init.kaimingUniform(r), o, r);
    Parameter bias = config.loraBias() ? drawn(Init.kaimingUniform(r), o) : null;
    Optional<LoraStart> start = Starts.of(init, site, config, r, scaling);
    if (start.isPresent()) {
      a.copyFrom(start.get().a());
      b.copyFrom(start.get().b());
    } else if (!(init instanceof LoraInit.Random)) {
      if (!(init instanceof LoraInit.Eva)) {
        fill(a, init instanceof LoraInit.Gaussian ? Init.normal(1.0 / r) : Init.kaimingUniform(d));
      }
      fill(b, Init.zeros());
      fill(bias, Init.zeros());
    }
    site.place(a);
    site.place(b);
    if (bias != null) {
      site.place(bias);
    }
    if (config.fields().isSet("use_bdlora")) {
      return BlockLora.of(config.fields()).adapter(site, a, b, scaling, config);
    }
    LoraAdapter adapter = new LoraAdapter(a, b, bias, scaling, config.loraDropout(), roleOfB());
    LayerAdapter dora =
        config.useDora()
            ? new DoraLinearAdapter(layer, adapter, magnitude(weight(layer, start), b, a))
            : null;
    start.ifPresent(
        values ->
            values.base().ifPresent(change -> site.changes().add(layer, values.held(), change)));
    return dora == null ? LoraVariants.of(site, config, adapter, r) : dora;
  }

  private LayerAdapter embedding(EmbeddingLayer layer) {
    if (config.loraBias()) {
      throw new IllegalArgumentException(
          "loraBias is not possible for the embedding \""
              + site.path()
              + "\". Leave it out of targetModules, or loraBias false.");
    }
    for (String variant : OF_LINEAR) {
      if (config.fields().isSet(variant)) {
        throw new IllegalArgumentException(
            ConfigFields.camelCase(variant)
                + " is for linear layers. Leave the embedding \""
                + site.path()
                + "\" out of targetModules.");
      }
    }
    if (!config.invocationTokens().isEmpty()) {
      throw new IllegalArgumentException(
          "The embedding \""
              + site.path()
              + "\" cannot wait for an invocation (aloraInvocationTokens). Leave it out of"
              + " targetModules.");
    }
    if (init instanceof LoraInit.Loftq) {
      throw new IllegalArgumentException(
          "The embedding \""
              + site.path()
              + "\" cannot start as loftq says. Leave it out of targetModules.");
    }
    Parameter a = drawn(Init.normal(1), r, layer.numEmbeddings());
    Parameter b = drawn(Init.normal(1), layer.embeddingDim(), r);
    if (init instanceof LoraInit.Mica) {
      Tensor table = layer.table().tensor().detach().to(DType.FLOAT32);
      Starts.checkRank(site, "mica", r, table.size(0), table.size(1));
      LoraStart start = LoraStart.mica(table.t(), r);
      a.copyFrom(start.a());
      b.copyFrom(start.b());
    } else if (!(init instanceof LoraInit.Random)) {
      fill(a, Init.zeros());
      fill(b, Init.normal(1));
    }
    site.place(a);
    site.place(b);
    LoraEmbeddingAdapter adapter = new LoraEmbeddingAdapter(a, b, scaling, layer, roleOfB());
    return config.useDora()
        ? new DoraEmbeddingAdapter(
            layer, adapter, magnitude(layer.table().tensor().detach().t(), b, a))
        : adapter;
  }

  private Role roleOfB() {
    return init instanceof LoraInit.Mica ? Role.FROZEN : Role.TRAINED;
  }

  /** The base weight as it will be, in the type in which the base computes. */
  private static Tensor weight(LinearLayer layer, Optional<LoraStart> start) {
    return start
        .flatMap(LoraStart::base)
        .map(change -> change.apply(layer.denseWeight(DType.FLOAT32)).to(layer.computeDtype()))
        .orElseGet(() -> layer.denseWeight(layer.computeDtype()));
  }

  /** DoRA's first magnitude: lengths of the rows of {@code weight + s B A}. */
  private Parameter magnitude(Tensor weight, Parameter b, Parameter a) {
    if (site.lowCpuMemUsage()) {
      return site.place(drawn(Init.zeros(), weight.size(0)));
    }
    DType type = site.isFullPrecision() ? site.baseType() : DType.FLOAT32;
    Tensor delta = LoraMath.delta(a.tensor(), b.tensor(), scaling).to(type);
    Tensor length = Ops.norm(weight.add(delta), 1).reshape(-1);
    Parameter result = drawn(Init.zeros(), length.numel());
    result.copyFrom(length);
    return site.place(result);
  }

  private Parameter drawn(Init init, long... sizes) {
    Parameter parameter = new Parameter(Shape.of(sizes), DType.FLOAT32, site.drawn(init));
    parameter.initialize();
    made.add(parameter);
    return parameter;
  }

  private void fill(@Nullable Parameter parameter, Init init) {
    if (parameter != null) {
      site.drawn(init).fill(parameter.tensor());
    }
  }
}
