package org.peftjava.peft.tuner.oft;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/** OFT. Reference: PEFT {@code tuners/oft/model.py::OFTModel}. */
public final class OFTMethod extends LayerTunerMethod<OFTConfig> {
  /** The method; {@code TunerMethods} has it. */
  public OFTMethod() {
    super("OFT", "OFTModel", "oft_", OFTConfig.class, DefaultTargets.LORA);
  }

  @Override
  public OFTConfig parse(Map<String, ? extends @Nullable Object> values) {
    return OFTConfig.of(values);
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer || layer instanceof EmbeddingLayer;
  }

  @Override
  public String adaptable() {
    return "linear layers (Linear, Conv1D, quantized) and embeddings";
  }

  private static long features(Module layer) {
    return layer instanceof LinearLayer linear
        ? linear.inFeatures()
        : ((EmbeddingLayer) layer).embeddingDim();
  }

  /** Warns about blocks that do not fit and are made to. */
  @Override
  public List<String> warnings(OFTConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>(super.warnings(config, layers));
    boolean byNumber = config.r() != 0;
    long asked = byNumber ? config.r() : config.oftBlockSize();
    layers.forEach(
        (path, layer) -> {
          long fitting = divisorNear(features(layer), asked);
          if (fitting != asked) {
            result.add(
                (byNumber ? "r " : "oftBlockSize ")
                    + asked
                    + " does not divide the "
                    + features(layer)
                    + " features of \""
                    + path
                    + "\". It is "
                    + fitting
                    + " there.");
          }
        });
    return result;
  }

  /**
   * The divisor of the features nearest to what was asked for, the smaller of two; all features if
   * more was asked for. Reference: {@code OFTLayer.adjust_oft_parameters}.
   */
  static long divisorNear(long features, long asked) {
    if (asked >= features) {
      return features;
    }
    long higher = asked;
    while (features % higher != 0) {
      higher++;
    }
    long lower = asked;
    while (features % lower != 0) {
      lower--;
    }
    return asked - lower <= higher - asked ? lower : higher;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, OFTConfig config) {
    OFTRotation rotation = OFTRotation.over(site, config, features(site.layer()));
    return site.layer() instanceof EmbeddingLayer
        ? new OFTEmbeddingAdapter(rotation)
        : new OFTAdapter(rotation);
  }
}
