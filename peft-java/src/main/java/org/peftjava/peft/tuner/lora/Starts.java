package org.peftjava.peft.tuner.lora;

import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;

/** Chooses the first values that a config asks for, and refuses what cannot be. */
final class Starts {
  private Starts() {}

  /** Values that come out of the base weight or are orthogonal; empty for the simple kinds. */
  static Optional<LoraStart> of(
      LoraInit init, LayerSite site, LoraConfig config, int r, double scaling) {
    LinearLayer layer = site.linear();
    if (init instanceof LoraInit.Orthogonal) {
      if (r % 2 != 0) {
        throw new IllegalArgumentException(
            "The orthogonal initialization needs an even rank, but r is " + r + ".");
      }
      return Optional.of(LoraStart.orthogonal(layer.outFeatures(), layer.inFeatures(), r));
    }
    if (init instanceof LoraInit.Pissa pissa) {
      return Optional.of(LoraStart.pissa(full(site, init, r), r, scaling, pissa.niter()));
    }
    if (init instanceof LoraInit.Olora) {
      checkRank(site, "olora", r, layer.outFeatures(), layer.inFeatures());
      return Optional.of(LoraStart.olora(layer.denseWeight(DType.FLOAT32), r, scaling));
    }
    if (init instanceof LoraInit.Mica) {
      return Optional.of(LoraStart.mica(full(site, init, r), r));
    }
    if (init instanceof LoraInit.Loftq) {
      return Optional.of(loftq(config).start(full(site, init, r), r));
    }
    if (init instanceof LoraInit.Corda) {
      return Optional.of(new PreparedStart(site, full(site, init, r), r, scaling).corda());
    }
    if (init instanceof LoraInit.LoraGa) {
      LoraGAConfig options =
          LoraGAConfig.of(
              config
                  .fields()
                  .object("lora_ga_config")
                  .orElseThrow(
                      () ->
                          new IllegalArgumentException(
                              "initLoraWeights \"lora_ga\" needs a loraGaConfig.")));
      return new PreparedStart(site, full(site, init, r), r, scaling).loraGa(options);
    }
    return Optional.empty();
  }

  /** The weight of a layer of full precision as float32 (o, d). */
  private static Tensor full(LayerSite site, LoraInit init, int r) {
    String name = String.valueOf(init.toField()).toLowerCase(Locale.ROOT);
    if (!site.isFullPrecision()) {
      throw new IllegalArgumentException(
          "The initialization "
              + name
              + " needs weights of full precision, but \""
              + site.path()
              + "\" is quantized. Initialize on the model as it is before quantization, and"
              + " quantize what is left of it.");
    }
    LinearLayer layer = site.linear();
    checkRank(site, name, r, layer.outFeatures(), layer.inFeatures());
    return layer.denseWeight(DType.FLOAT32);
  }

  static void checkRank(LayerSite site, String init, int r, long rows, long columns) {
    long most = Math.min(rows, columns);
    if (r > most) {
      throw new IllegalArgumentException(
          "The initialization "
              + init
              + " needs a rank of at most "
              + most
              + " for \""
              + site.path()
              + "\", whose weight is ("
              + rows
              + ", "
              + columns
              + "), but it is "
              + r
              + ".");
    }
  }

  private static LoftqStart loftq(LoraConfig config) {
    Map<String, @Nullable Object> options = config.fields().object("loftq_config").orElse(Map.of());
    int bits = whole(options, "loftq_bits", 4);
    int iterations = whole(options, "loftq_iter", 1);
    if ((bits != 4 && bits != 8) || iterations < 1) {
      throw new IllegalArgumentException(
          "loftqConfig must have loftq_bits 4 or 8 and loftq_iter of 1 or more, got "
              + options
              + ".");
    }
    return new LoftqStart(WeightRounding.installed(), bits, iterations);
  }

  private static int whole(Map<String, @Nullable Object> options, String name, int otherwise) {
    return options.get(name) instanceof Number number ? number.intValue() : otherwise;
  }
}
