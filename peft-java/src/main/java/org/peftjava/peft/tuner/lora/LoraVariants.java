package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * Makes of LoRA over a linear layer the variant that its config asks for. Random numbers are drawn
 * in Python's order, but for MonteCLoRA, for which Python draws in advance.
 */
final class LoraVariants {
  private LoraVariants() {}

  /** The variant of LoRA with this rank; LoRA itself if the config asks for none. */
  static LayerAdapter of(LayerSite site, LoraConfig config, LoraAdapter lora, int r) {
    if (!config.invocationTokens().isEmpty()) {
      return new ActivatedLoraAdapter(lora);
    }
    if (config.useQalora()) {
      return qalora(site, config, lora, r);
    }
    Optional<KasaConfig> kasa = config.kasaConfig();
    if (kasa.isPresent()) {
      return kasa(site, lora, r);
    }
    Optional<VeloraConfig> velora = config.veloraConfig();
    if (velora.isPresent()) {
      return velora(site, velora.get(), lora);
    }
    Optional<MontecloraConfig> monteclora = config.montecloraConfig();
    if (monteclora.isPresent()) {
      return monteclora(site, monteclora.get(), lora, r);
    }
    Optional<ArrowConfig> arrow = config.arrowConfig();
    return arrow.isPresent() ? new ArrowAdapter(lora, arrow.get(), site.path()) : lora;
  }

  private static LayerAdapter qalora(LayerSite site, LoraConfig config, LoraAdapter lora, int r) {
    long in = site.linear().inFeatures();
    int group = config.qaloraGroupSize();
    if (in % group != 0) {
      throw new IllegalArgumentException(
          "useQalora: the "
              + in
              + " input features of \""
              + site.path()
              + "\" do not divide into groups of "
              + group
              + " (qaloraGroupSize).");
    }
    lora.a().close();
    Parameter a = site.parameter(Init.kaimingUniform(in / group), r, in / group);
    return new QaloraAdapter(lora.withA(a), group);
  }

  private static LayerAdapter kasa(LayerSite site, LoraAdapter lora, int r) {
    LinearLayer layer = site.linear();
    long most = Math.min(layer.inFeatures(), layer.outFeatures()) - 1;
    if (r > most) {
      throw new IllegalArgumentException(
          "KaSA takes the "
              + r
              + " smallest singular values (r) off the weight of \""
              + site.path()
              + "\" and must leave one, so its rank there is at most "
              + most
              + ".");
    }
    site.changes().add(layer, List.of(), weight -> KasaAdapter.truncated(weight, r));
    return new KasaAdapter(lora, site.parameter(Init.normal(1), r));
  }

  private static LayerAdapter velora(LayerSite site, VeloraConfig config, LoraAdapter lora) {
    long size = VeloraAdapter.groupSize(site.linear().inFeatures(), config);
    Init start =
        config.initType().equals("random")
            ? v -> v.copyInPlace(VeloraAdapter.normalized(Creation.randn(DType.FLOAT32, size)))
            : Init.zeros();
    return new VeloraAdapter(lora, site.parameter(start, size), config);
  }

  private static LayerAdapter monteclora(
      LayerSite site, MontecloraConfig config, LoraAdapter lora, int r) {
    Init uniform = tensor -> tensor.uniformInPlace(0, 1);
    int n = config.numSamples();
    Parameter spread = site.parameter(uniform, r);
    Parameter preference = site.parameter(uniform, n);
    Init identity =
        tensor -> tensor.copyInPlace(LinearAlgebra.identity(DType.FLOAT32, Device.CPU, r));
    return new MontecloraAdapter(
        lora,
        new MonteCarlo(spread, preference, config),
        site.parameter(identity, r, r),
        site.parameter(Init.constant(1.0 / n), n));
  }
}
