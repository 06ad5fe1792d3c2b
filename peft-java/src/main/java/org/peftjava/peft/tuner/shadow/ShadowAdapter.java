package org.peftjava.peft.tuner.shadow;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.peft.tuner.CarryingAdapter;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * ShadowPEFT in a decoder layer. With the shadow's state s and the hidden state h, the layer gets
 * {@code h + alpha U D drop(h - s)}; of what it gives, g, comes {@code s' = (1 - p) s + p T(g)}
 * with {@code p = sigmoid(G(g))}, where T and G are small networks.
 *
 * <p>Reference: PEFT {@code tuners/shadow/layers.py::ShadowLayer}. Shapes: h, s, g (b, t, e), D (r,
 * e), U (e, r). Everything is float32, whatever the layer computes in.
 */
final class ShadowAdapter implements CarryingAdapter {
  private final Parameter down;
  private final Parameter up;
  private final Perceptron candidate;
  private final Perceptron gate;
  private final double alpha;
  private final double dropout;
  private final boolean first;
  private final boolean last;

  /** Two linear layers with a GELU between them: (u, e) and (e, u), with biases. */
  record Perceptron(Parameter inner, Parameter innerBias, Parameter outer, Parameter outerBias) {
    Tensor of(Tensor x) {
      Tensor features = MatrixOps.linear(x, inner.tensor(), innerBias.tensor());
      return MatrixOps.linear(Ops.gelu(features, "none"), outer.tensor(), outerBias.tensor());
    }

    void addTo(List<Weight> weights, String group) {
      weights.add(weight(group, "0.weight", inner));
      weights.add(weight(group, "0.bias", innerBias));
      weights.add(weight(group, "2.weight", outer));
      weights.add(weight(group, "2.bias", outerBias));
    }
  }

  /**
   * Of its parts.
   *
   * @param ends D and U
   * @param networks T and G
   * @param first whether the state begins here
   * @param last whether it ends here
   */
  ShadowAdapter(
      List<Parameter> ends,
      List<Perceptron> networks,
      ShadowConfig config,
      boolean first,
      boolean last) {
    down = ends.get(0);
    up = ends.get(1);
    candidate = networks.get(0);
    gate = networks.get(1);
    alpha = config.shadowAlpha();
    dropout = config.shadowDropout();
    this.first = first;
    this.last = last;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(weight("shadow_down", "weight", down));
    result.add(weight("shadow_up", "weight", up));
    candidate.addTo(result, "shadow_update_transform");
    gate.addTo(result, "shadow_update_gate");
    return result;
  }

  /** In files every adapter is called "default". */
  private static Weight weight(String group, String leaf, Parameter parameter) {
    return ShadowNetwork.weight(group, leaf, parameter, Role.TRAINED);
  }

  @Override
  public boolean isFirst() {
    return first;
  }

  @Override
  public boolean isLast() {
    return last;
  }

  @Override
  public Tensor injected(Tensor hidden, Tensor state, boolean training) {
    Tensor gap = hidden.sub(state).to(DType.FLOAT32);
    Tensor kept = training ? Dropouts.dropout(gap, dropout) : gap;
    Tensor update =
        MatrixOps.linear(MatrixOps.linear(kept, down.tensor(), null), up.tensor(), null);
    return hidden.add(update.mul(alpha).to(hidden.dtype()));
  }

  @Override
  public Tensor next(Tensor hidden, Tensor state) {
    Tensor x = hidden.to(DType.FLOAT32);
    Tensor part = Ops.sigmoid(gate.of(x));
    Tensor kept = part.neg().add(1).mul(state.to(DType.FLOAT32));
    return kept.add(part.mul(candidate.of(x))).to(state.dtype());
  }
}
