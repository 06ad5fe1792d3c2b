package org.peftjava.peft.tuner.osf;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.CustomGradient;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * OSF over a linear layer: {@code y = base(x) + U S V x - U' S' V' x}, where the parts with a
 * stroke are the smallest singular values of the weight with their vectors, and the trained ones
 * start as these. Gradients of U and V lose what lies in the space of the other singular vectors,
 * H: {@code g - H H^T g}. Where these and U' are a whole basis, that is {@code U' U'^T g}, and H is
 * not kept.
 *
 * <p>Reference: PEFT {@code tuners/osf/layer.py}; values in golden/tuner_osf*.
 */
final class OSFAdapter implements LayerAdapter {
  private final Parts trained;
  private final Parts start;
  private final @Nullable Parameter highU;
  private final @Nullable Parameter highV;

  /**
   * Of two matrices.
   *
   * @param highU H for U (o, h), of weights with more rows than columns
   * @param highV H for V (h, d), of weights with more columns than rows
   */
  OSFAdapter(Parts trained, Parts start, @Nullable Parameter highU, @Nullable Parameter highV) {
    this.trained = trained;
    this.start = start;
    this.highU = highU;
    this.highV = highV;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(new Weight("osf_svd_params", "U_low", trained.u()));
    result.add(new Weight("osf_svd_params", "S_low", trained.s()));
    result.add(new Weight("osf_svd_params", "V_low", trained.v()));
    result.add(new Weight("_osf_U_low_init", "", start.u(), Role.DERIVED));
    result.add(new Weight("_osf_S_low_init", "", start.s(), Role.DERIVED));
    result.add(new Weight("_osf_V_low_init", "", start.v(), Role.DERIVED));
    if (highU != null) {
      result.add(new Weight("_osf_U_high", "", highU, Role.DERIVED));
    }
    if (highV != null) {
      result.add(new Weight("_osf_V_high", "", highV, Role.DERIVED));
    }
    return result;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    DType type = trained.u().dtype();
    Tensor input = x.to(type);
    Tensor now = trained.times(input, turned(trained.u(), true), turned(trained.v(), false));
    return y.to(type).add(now).sub(start.times(input));
  }

  /** A trained matrix whose gradient stays out of the space of the large singular values. */
  private Tensor turned(Parameter matrix, boolean left) {
    Tensor values = matrix.tensor();
    Parameter high = left ? highU : highV;
    Parameter low = left ? start.u() : start.v();
    return CustomGradient.of(
        values.detach(),
        List.of(values),
        List.of((high == null ? low : high).tensor()),
        (gradient, saved) -> {
          Tensor basis = saved.get(0).to(gradient.dtype());
          Tensor part =
              left
                  ? basis.matmul(basis.t().matmul(gradient))
                  : gradient.matmul(basis.t()).matmul(basis);
          return List.of(high == null ? part : gradient.sub(part));
        });
  }

  private Tensor delta() {
    return trained.dense().sub(start.dense());
  }

  @Override
  public Optional<Tensor> weightChange() {
    return Optional.of(delta());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(delta().to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(delta().to(weight.dtype()), 1);
  }
}
