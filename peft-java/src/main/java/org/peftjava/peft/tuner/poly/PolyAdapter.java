package org.peftjava.peft.tuner.poly;

import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TaskRows;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Poly over a linear layer: a row of task t adds {@code x A_t B_t / r}, where A_t and B_t are
 * mixtures of the skills' matrices with the shares {@code w = sigmoid(z_t) / sum sigmoid(z_t)} of
 * the task, for each part of the layer apart. While training, shares are drawn from relaxed
 * Bernoulli distributions.
 *
 * <p>Reference: PEFT {@code tuners/poly/layer.py, router.py}. Letters: {@code q} parts, {@code s}
 * skills, {@code d} and {@code o} features; A (q, s, d/q, r), B (q, s, r, o/q), z (tasks, q s).
 */
final class PolyAdapter implements LayerAdapter {
  private static final double EPSILON = 1e-12;
  private static final double CLOSEST = Math.ulp(1f); // to 0 and 1 of a drawn number

  private final Parameter a;
  private final Parameter b;
  private final Parameter routing;
  private final Supplier<Optional<TaskRows>> tasks;

  PolyAdapter(Parameter a, Parameter b, Parameter routing, Supplier<Optional<TaskRows>> tasks) {
    this.a = a;
    this.b = b;
    this.routing = routing;
    this.tasks = tasks;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("poly_lora_A", "", a),
        new Weight("poly_lora_B", "", b),
        new Weight("poly_router", "module_logits", routing));
  }

  @Override
  public boolean mixesBatches() {
    return false;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    TaskRows rows =
        tasks
            .get()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "taskIds are missing. Poly needs the task of each row, a number from 0 to "
                            + (routing.shape().get(0) - 1)
                            + "."));
    rows.check((int) routing.shape().get(0), x.size(0));
    long count = rows.ids().size();
    long r = a.shape().get(3);
    long in = x.size(-1);
    Tensor shares = shares(rows, training);
    Tensor inward = mixed(shares, a).transpose(0, 1).reshape(count, in, r);
    Tensor outward = mixed(shares, b).permute(1, 2, 0, 3).reshape(count, r, y.size(-1));
    DType type = a.dtype();
    Tensor given = x.to(type).reshape(count, x.numel() / in / count, in);
    Tensor update = given.matmul(inward).matmul(outward).div((double) r);
    return y.to(type).add(update.reshape(y.shape().toArray()));
  }

  /** The skills' matrices (q, s, m, n) mixed for each row of the batch: (q, b, m, n). */
  private static Tensor mixed(Tensor shares, Parameter skills) {
    long[] sizes = skills.shape().toArray();
    Tensor flat = skills.tensor().reshape(sizes[0], sizes[1], sizes[2] * sizes[3]);
    return shares.matmul(flat).reshape(sizes[0], shares.size(1), sizes[2], sizes[3]);
  }

  /** What each row takes of each skill: (q, b, s). */
  private Tensor shares(TaskRows rows, boolean training) {
    long[] ids = rows.toArray();
    Tensor index = Creation.ofLongs(ids, ids.length).to(routing.tensor().device());
    long parts = a.shape().get(0);
    long skills = a.shape().get(1);
    Tensor logits = routing.tensor().indexSelect(0, index).reshape(ids.length, parts, skills);
    Tensor chosen = Ops.sigmoid(training ? logits.add(noise(logits)) : logits);
    return chosen.div(chosen.sum(-1).unsqueeze(-1).add(EPSILON)).transpose(0, 1);
  }

  /** What turns logits into those of a relaxed Bernoulli draw of temperature 1. */
  private static Tensor noise(Tensor logits) {
    Tensor drawn =
        Creation.empty(logits.dtype(), logits.device(), logits.shape().toArray())
            .uniformInPlace(0, 1);
    Tensor above = Ops.atLeast(drawn, CLOSEST);
    Tensor negative = Ops.atLeast(above.neg(), CLOSEST - 1);
    return negative.neg().log().sub(negative.add(1).log());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    throw notOneWeight();
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    throw notOneWeight();
  }

  private static UnsupportedOperationException notOneWeight() {
    return new UnsupportedOperationException(
        "A Poly adapter changes the weight for each task otherwise and cannot be merged. Save the"
            + " adapter and load it with the model.");
  }
}
