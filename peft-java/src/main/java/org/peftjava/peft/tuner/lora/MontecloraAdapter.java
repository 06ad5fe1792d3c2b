package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * MonteCLoRA over a linear layer: LoRA whose A is drawn anew in each pass of training around its
 * values, see {@link MonteCarlo}; LoRA in evaluation.
 *
 * <p>Reference: PEFT {@code lora/variants.py::MontecloraLinearVariant}; values in golden/monteclora
 * and golden/tuner_monteclora.
 */
final class MontecloraAdapter extends LoraVariant implements LowRank {
  private static final String GROUP = "lora_monteclora_sampler";

  private final MonteCarlo distributions;
  private final Parameter variances;
  private final Parameter shares;
  private LongFunction<MonteCarlo.Draw> random;
  private float @Nullable [] chiSquare;
  private float[] shareNoise = {};

  /**
   * Of LoRA's matrices.
   *
   * @param variances v of the last pass in training, as a diagonal matrix (r, r)
   * @param shares w of it (n)
   */
  MontecloraAdapter(
      LoraAdapter lora, MonteCarlo distributions, Parameter variances, Parameter shares) {
    super(lora);
    this.distributions = distributions;
    this.variances = variances;
    this.shares = shares;
    random = distributions::draw;
  }

  /** Takes random numbers from elsewhere: a function of the number of input features. */
  void random(LongFunction<MonteCarlo.Draw> source) {
    random = source;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>(super.weights());
    result.add(new Weight(GROUP, "std_prior", distributions.spread()));
    result.add(new Weight(GROUP, "expert_weights_prior", distributions.preference()));
    result.add(new Weight(GROUP, "gaussian_var_prior", variances, Role.BUFFER));
    result.add(new Weight(GROUP, "expert_weights", shares, Role.BUFFER));
    return result;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    if (!training) {
      chiSquare = null;
      return super.afterBase(x, y, false);
    }
    MonteCarlo.Draw draw = random.apply(x.size(-1));
    chiSquare = draw.chiSquare().toFloats();
    shareNoise = draw.shares().toFloats();
    Tensor v = distributions.variances(draw.chiSquare());
    Tensor w = distributions.shares(draw.shares());
    Tensor diagonal = variances.tensor().detach();
    diagonal.asStrided(new long[] {v.numel()}, new long[] {v.numel() + 1}).copyInPlace(v.detach());
    shares.copyFrom(w.detach());
    return lora().update(x, y, a().tensor().add(distributions.change(draw, v, w)), true);
  }

  /** What the last pass costs beside its loss, in the graph, if it was one in training. */
  Optional<Tensor> penalty() {
    float[] drawn = chiSquare;
    if (drawn == null) {
      return Optional.empty();
    }
    Tensor v = distributions.variances(like(drawn, distributions.spread()));
    Tensor w = distributions.shares(like(shareNoise, distributions.preference()));
    return Optional.of(distributions.penalty(v, w));
  }

  private static Tensor like(float[] values, Parameter parameter) {
    return Creation.ofFloats(values, values.length)
        .to(parameter.dtype())
        .to(parameter.tensor().device());
  }
}
