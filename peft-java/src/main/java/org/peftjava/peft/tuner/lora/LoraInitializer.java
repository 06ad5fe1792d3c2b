package org.peftjava.peft.tuner.lora;

import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
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
  private LoraInitializer() {}

  static LayerAdapter newAdapter(LayerSite site, LoraConfig config, int r, double scaling) {
    return site.layer() instanceof LinearLayer linear
        ? linear(site, linear, config, r, scaling)
        : embedding(site, (EmbeddingLayer) site.layer(), config, r, scaling);
  }

  private static LayerAdapter linear(
      LayerSite site, LinearLayer layer, LoraConfig config, int r, double scaling) {
    Parameter a = drawn(Init.kaimingUniform(layer.inFeatures()), r, layer.inFeatures());
    Parameter b = drawn(Init.kaimingUniform(r), layer.outFeatures(), r);
    Parameter bias = config.loraBias() ? drawn(Init.kaimingUniform(r), layer.outFeatures()) : null;
    if (!(config.initLoraWeights() instanceof LoraInit.Random)) {
      fill(
          a,
          config.initLoraWeights() instanceof LoraInit.Gaussian
              ? Init.normal(1.0 / r)
              : Init.kaimingUniform(layer.inFeatures()));
      fill(b, Init.zeros());
      fill(bias, Init.zeros());
    }
    Stream.of(a, b).forEach(site::place);
    if (bias != null) {
      site.place(bias);
    }
    return new LoraAdapter(a, b, bias, scaling, config.loraDropout());
  }

  private static LayerAdapter embedding(
      LayerSite site, EmbeddingLayer layer, LoraConfig config, int r, double scaling) {
    if (config.loraBias()) {
      throw new IllegalArgumentException(
          "loraBias is not possible for the embedding \""
              + site.path()
              + "\". Leave it out of targetModules, or loraBias false.");
    }
    Parameter a = drawn(Init.normal(1), r, layer.numEmbeddings());
    Parameter b = drawn(Init.normal(1), layer.embeddingDim(), r);
    if (!(config.initLoraWeights() instanceof LoraInit.Random)) {
      fill(a, Init.zeros());
      fill(b, Init.normal(1));
    }
    Stream.of(a, b).forEach(site::place);
    return new LoraEmbeddingAdapter(a, b, scaling, layer.paddingIdx());
  }

  private static Parameter drawn(Init init, long... sizes) {
    Parameter parameter = new Parameter(Shape.of(sizes), DType.FLOAT32, init);
    parameter.initialize();
    return parameter;
  }

  private static void fill(@Nullable Parameter parameter, Init init) {
    if (parameter != null) {
      try (GradMode off = GradMode.noGrad()) {
        init.fill(parameter.tensor());
      }
    }
  }
}
