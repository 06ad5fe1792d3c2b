package org.peftjava.peft.tuner.lokr;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.RankDropout;
import org.peftjava.torch.nn.Init;

/** LoKr. Reference: PEFT {@code tuners/lokr/model.py::LoKrModel}. */
public final class LoKrMethod extends LayerTunerMethod<LoKrConfig> {
  /**
   * A number as a product.
   *
   * @param first not the larger one, unless decompose_factor asks for it
   */
  record Split(long first, long second) {}

  /** The method; {@code TunerMethods} has it. */
  public LoKrMethod() {
    super("LOKR", "LoKrModel", "lokr_", LoKrConfig.class, DefaultTargets.LORA);
  }

  @Override
  public LoKrConfig parse(Map<String, ? extends @Nullable Object> values) {
    return LoKrConfig.of(values);
  }

  /**
   * Splits a number of features in two: by {@code factor} if it divides, else as evenly as divisors
   * not above the factor allow.
   *
   * <p>Reference: {@code lokr/layer.py::factorization}, result by result, since files depend on it.
   *
   * @param factor -1 for no bound
   */
  static Split split(long features, long factor) {
    if (factor > 0 && features % factor == 0) {
      return new Split(factor, features / factor);
    }
    long bound = factor == -1 ? features : factor;
    long m = 1;
    long n = features;
    while (m < n) {
      long next = m + 1;
      while (features % next != 0) {
        next++;
      }
      if (next + features / next > features + 1 || next > bound) {
        break;
      }
      m = next;
      n = features / next;
    }
    return new Split(Math.min(m, n), Math.max(m, n));
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, LoKrConfig config) {
    int r = rank(config, site.path());
    Split in = split(site.linear().inFeatures(), config.decomposeFactor());
    Split out = split(site.linear().outFeatures(), config.decomposeFactor());
    Object init = config.fields().get("init_weights");
    boolean lycoris = "lycoris".equals(init);
    boolean plain = Boolean.TRUE.equals(init);
    boolean thinLeft = config.decomposeBoth() && 2L * r < Math.max(out.first(), in.first());
    boolean thinRight = 2L * r < Math.max(out.second(), in.second());
    Init zerosIf1 = plain ? Init.zeros() : Init.kaimingUniform(thinLeft ? r : in.first());
    Init zerosIf2 = lycoris ? Init.zeros() : Init.kaimingUniform(in.second());
    LoKrFactor left =
        new LoKrFactor(
            thinLeft
                ? List.of(
                    new Weight("lokr_w1_a", "", site.parameter(zerosIf1, out.first(), r)),
                    new Weight(
                        "lokr_w1_b",
                        "",
                        site.parameter(Init.kaimingUniform(in.first()), r, in.first())))
                : List.of(
                    new Weight("lokr_w1", "", site.parameter(zerosIf1, out.first(), in.first()))));
    LoKrFactor right =
        new LoKrFactor(
            thinRight
                ? List.of(
                    new Weight(
                        "lokr_w2_a", "", site.parameter(Init.kaimingUniform(r), out.second(), r)),
                    new Weight("lokr_w2_b", "", site.parameter(zerosIf2, r, in.second())))
                : List.of(
                    new Weight(
                        "lokr_w2", "", site.parameter(zerosIf2, out.second(), in.second()))));
    return new LoKrAdapter(
        left,
        right,
        alpha(config, "alpha", site.path()) / r,
        new RankDropout(config.rankDropout(), config.moduleDropout(), config.rankDropoutScale()));
  }
}
