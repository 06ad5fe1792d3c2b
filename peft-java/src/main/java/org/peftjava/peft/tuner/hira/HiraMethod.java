package org.peftjava.peft.tuner.hira;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/** HiRA. Reference: PEFT {@code tuners/hira/model.py::HiraModel}. */
public final class HiraMethod extends LayerTunerMethod<HiraConfig> {
  private static final Init NORMAL = Init.normal(1);

  /** The method; {@code TunerMethods} has it. */
  public HiraMethod() {
    super("HIRA", "HiraModel", "hira_", HiraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public HiraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return HiraConfig.of(values);
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer || layer instanceof EmbeddingLayer;
  }

  @Override
  public String adaptable() {
    return "linear layers (Linear, Conv1D, quantized) and embeddings";
  }

  @Override
  public List<String> warnings(HiraConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>(super.warnings(config, layers));
    if (!config.rankPattern().isEmpty()) {
      result.add(
          "rankPattern has no effect: PEFT 0.21 gives every layer of a HiRA adapter the rank r, and"
              + " files must fit.");
    }
    return result;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, HiraConfig config) {
    int r = config.r();
    boolean isRandom = config.initWeights().equals(false);
    if (site.layer() instanceof EmbeddingLayer table) {
      return new HiraEmbeddingAdapter(
          site.parameter(isRandom ? NORMAL : Init.zeros(), r, table.numEmbeddings()),
          site.parameter(NORMAL, table.embeddingDim(), r),
          table);
    }
    LinearLayer linear = site.linear();
    return new HiraLinearAdapter(
        site.parameter(start(config, r, linear.inFeatures()), r, linear.inFeatures()),
        site.parameter(isRandom ? NORMAL : Init.zeros(), linear.outFeatures(), r),
        linear,
        config.hiraDropout());
  }

  private static Init start(HiraConfig config, int r, long in) {
    Object init = config.initWeights();
    if (init.equals(true)) {
      return Init.kaimingUniform(in);
    }
    return init.equals("gaussian") ? Init.normal(1.0 / r) : NORMAL;
  }
}
