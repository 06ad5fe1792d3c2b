package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Arrow over a linear layer: {@code y = base(x) + drop(sum_e c_e s_e B_e A_e x)} over the other
 * LoRA adapters e of the layer, each token with shares c of its own. An adapter fits a token by
 * {@code |p_e x|}, with the direction p_e in which its weight change is strongest; the shares are
 * the softmax over those that fit best.
 *
 * <p>With general knowledge subtraction, A_e and B_e have lost the means of the general adapters' A
 * and B; the adapters themselves stay as they are. Its own A and B are without effect, as in
 * Python. Papers: arXiv:2405.11157; GenKnowSub, ACL 2025. Reference: PEFT {@code lora/arrow.py,
 * variants.py::ArrowLinearVariant}; values in golden/arrow.
 */
final class ArrowAdapter extends LoraVariant {
  private static final Pattern GENERAL = Pattern.compile("gks_\\d+");

  private final ArrowConfig config;
  private final String path;
  private Map<String, LayerAdapter> neighbours = Map.of();
  private @Nullable Prototypes prototypes;

  /** Directions of the experts at one time. */
  @SuppressWarnings("ArrayRecordComponent") // looked at here only
  private record Prototypes(List<LowRank> of, List<Long> versions, float[] values) {}

  /**
   * Of LoRA's matrices, which do nothing.
   *
   * @param path of the layer, for messages
   */
  ArrowAdapter(LoraAdapter lora, ArrowConfig config, String path) {
    super(lora);
    this.config = config;
    this.path = path;
  }

  @Override
  public void joined(Map<String, LayerAdapter> all) {
    neighbours = all;
  }

  /** The adapters that tokens are routed to. */
  private List<LowRank> experts() {
    return chosen(false);
  }

  private List<LowRank> chosen(boolean general) {
    List<LowRank> result = new ArrayList<>();
    neighbours.forEach(
        (name, adapter) -> {
          if (adapter instanceof LowRank lora && GENERAL.matcher(name).matches() == general) {
            result.add(lora);
          }
        });
    return result;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    List<LowRank> experts = experts();
    if (experts.size() < config.topK()) {
      throw new IllegalStateException(
          "Arrow gives each token "
              + config.topK()
              + " adapters (topK), but \""
              + path
              + "\" has "
              + experts.size()
              + ". Load more, or make a router with a smaller topK.");
    }
    DType type = experts.get(0).a().dtype();
    Tensor input = x.to(type).reshape(-1, x.size(-1));
    Optional<Mean> mean = config.useGks() ? Optional.of(mean()) : Optional.empty();
    Tensor shares = shares(input, experts, mean);
    Optional<Tensor> common = mean.map(m -> MatrixOps.linear(input, m.a(), null));
    Tensor sum = Creation.zeros(type, x.device(), input.size(0), y.size(-1));
    Tensor lost = null;
    for (int e = 0; e < experts.size(); e++) {
      LowRank expert = experts.get(e);
      Tensor low = MatrixOps.linear(input, expert.a().tensor(), null);
      low = common.isPresent() ? low.sub(common.get()) : low;
      low = low.mul(shares.narrow(1, e, 1).mul(expert.scaling()));
      sum = sum.add(MatrixOps.linear(low, expert.b().tensor(), null));
      lost = lost == null ? low : lost.add(low);
    }
    if (mean.isPresent() && lost != null) {
      sum = sum.sub(MatrixOps.linear(lost, mean.get().b(), null));
    }
    Tensor update = training ? Dropouts.dropout(sum, lora().dropout()) : sum;
    return y.to(type).add(update.reshape(y.shape().toArray()));
  }

  /** Shares of the experts for each token (t, e): 0 for all but the best. */
  private Tensor shares(Tensor x, List<LowRank> experts, Optional<Mean> mean) {
    Tensor fit = MatrixOps.linear(x, directions(experts, mean, x), null).abs();
    Ops.Ranked best = Ops.topK(fit, config.topK());
    Tensor none = Creation.full(x.dtype(), Double.NEGATIVE_INFINITY, 1).to(x.device());
    Tensor all = none.expand(fit.size(0), fit.size(1)).contiguous();
    Tensor scores = Ops.scatter(all, 1, best.indices(), best.values());
    return Ops.softmax(scores.div(config.routerTemperature()), -1);
  }

  /** Means of the general adapters' matrices. */
  private record Mean(Tensor a, Tensor b) {}

  private Mean mean() {
    List<LowRank> general = chosen(true);
    if (general.isEmpty()) {
      throw new IllegalStateException(
          "Arrow takes general knowledge out of the adapters (useGks), but \""
              + path
              + "\" has no general adapter: one that is called gks_0, gks_1 and so on.");
    }
    return new Mean(
        mean(general.stream().map(LowRank::a).toList()),
        mean(general.stream().map(LowRank::b).toList()));
  }

  private static Tensor mean(List<Parameter> matrices) {
    return matrices.stream()
        .map(Parameter::tensor)
        .map(Tensor::detach)
        .reduce(Tensor::add)
        .orElseThrow()
        .div((double) matrices.size());
  }

  /** The experts' directions (e, d), found again when an adapter has come, gone or changed. */
  private Tensor directions(List<LowRank> experts, Optional<Mean> mean, Tensor like) {
    List<LowRank> all = new ArrayList<>(experts);
    all.addAll(chosen(true));
    List<Long> versions = new ArrayList<>();
    for (LowRank adapter : all) {
      versions.add(adapter.a().tensor().version());
      versions.add(adapter.b().tensor().version());
    }
    Prototypes known = prototypes;
    if (known == null || !known.of().equals(all) || !known.versions().equals(versions)) {
      List<Tensor> found = new ArrayList<>();
      experts.forEach(expert -> found.add(direction(expert, mean)));
      known = new Prototypes(all, versions, Creation.stack(found, 0).toFloats());
      prototypes = known;
    }
    return Creation.ofFloats(known.values(), experts.size(), like.size(1))
        .to(like.dtype())
        .to(like.device());
  }

  /** The direction (d) in which an expert's change is strongest, by power iteration. */
  private Tensor direction(LowRank expert, Optional<Mean> mean) {
    Tensor a = expert.a().tensor().detach();
    Tensor b = expert.b().tensor().detach();
    if (mean.isPresent()) {
      a = a.sub(mean.get().a());
      b = b.sub(mean.get().b());
    }
    return PowerIteration.rightVector(
        a.to(DType.FLOAT32).to(Device.CPU), b.to(DType.FLOAT32).to(Device.CPU), config.rngSeed());
  }

  @Override
  public Optional<Tensor> weightChange() {
    return Optional.empty();
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    throw new UnsupportedOperationException(
        "Arrow routes each token otherwise, so that no one weight can stand for it. Merge one of"
            + " its adapters, or use it unmerged.");
  }

  /** Nothing was merged. */
  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight;
  }
}
