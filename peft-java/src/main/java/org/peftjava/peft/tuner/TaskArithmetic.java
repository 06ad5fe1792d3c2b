package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Several tensors of one shape combined into one, in float32.
 *
 * <p>Papers: TIES arXiv:2306.01708, DARE arXiv:2311.03099. Reference: PEFT {@code
 * utils/merge_utils.py}; values in golden/weighted_adapters.
 */
public final class TaskArithmetic {
  private static final Logger LOG = LoggerFactory.getLogger(TaskArithmetic.class);

  private TaskArithmetic() {}

  /**
   * The combination of tensors of one shape; a decomposition that the type asks for is the
   * caller's.
   *
   * @param weights one for each tensor
   * @return float32, of that shape, owned by the current scope
   */
  public static Tensor combine(
      List<Tensor> tensors, double[] weights, WeightedAdapterOptions options) {
    CombinationType type = options.combinationType().ofTensors();
    List<Tensor> sparse = new ArrayList<>();
    for (Tensor tensor : tensors) {
      Tensor wide = tensor.detach().to(DType.FLOAT32);
      sparse.add(type.isSparse() ? pruned(wide, type, options.density().orElseThrow()) : wide);
    }
    Tensor stacked = Creation.stack(sparse, 0);
    return type == CombinationType.TIES || type == CombinationType.DARE_TIES
        ? disjointMean(stacked, weighted(sparse, weights), options.majoritySignMethod())
        : weighted(sparse, weights).sum(0);
  }

  private static Tensor weighted(List<Tensor> tensors, double[] weights) {
    List<Tensor> result = new ArrayList<>();
    for (int i = 0; i < weights.length; i++) {
      result.add(tensors.get(i).mul((float) weights[i])); // as in Python, weights are float32
    }
    return Creation.stack(result, 0);
  }

  private static Tensor pruned(Tensor x, CombinationType type, double density) {
    if (density >= 1) {
      LOG.warn("A density of {} leaves all values; nothing is removed.", density);
      return x;
    }
    if (type.isRandom()) {
      Tensor drawn = Creation.zeros(x.dtype(), x.shape().toArray()).uniformInPlace(0, 1);
      return x.mul(drawn.lt(density).to(x.dtype()).to(x.device())).div(density);
    }
    long kept = (long) (density * x.numel());
    Tensor flat = x.reshape(-1);
    Tensor mask = Creation.zeros(x.dtype(), x.device(), x.numel());
    if (kept > 0) {
      mask.indexFillInPlace(0, Ops.topK(flat.abs(), kept).indices(), 1);
    }
    return flat.mul(mask).reshape(x.shape().toArray());
  }

  /** The mean over the tensors (first dimension) whose sign is the majority's. */
  private static Tensor disjointMean(Tensor tensors, Tensor weighted, MajoritySignMethod method) {
    Tensor signs = Ops.sign(tensors);
    Tensor votes = (method == MajoritySignMethod.TOTAL ? tensors : signs).sum(0);
    Tensor one = Creation.ones(tensors.dtype(), 1).to(tensors.device());
    Tensor majority = Ops.where(votes.lt(0), one.neg(), one);
    Tensor agreeing = signs.sub(majority).eq(0).to(tensors.dtype());
    Tensor count = agreeing.sum(0);
    return weighted.mul(agreeing).sum(0).div(Ops.where(count.lt(1), one, count));
  }
}
