package org.peftjava.peft.tuner.lora;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;

/**
 * QALoRA over a linear layer: {@code y = base(x) + s (B A p + c)}, where p are sums of g
 * neighbouring features of {@code drop(x)}, times {@code (d/g) / g}. Neighbours so get the same
 * change of weight.
 *
 * <p>Paper: arXiv:2309.14717. Reference: PEFT {@code lora/variants.py::QALoraLinearVariant}, which
 * is for GPTQ weights and does not merge; values in golden/tuner_qalora. Shapes: x (..., d), A (r,
 * d/g), B (o, r), c (o).
 */
final class QaloraAdapter extends LoraVariant {
  private final long group;

  /**
   * Of LoRA's matrices.
   *
   * @param lora whose A is (r, d/g)
   * @param group g
   */
  QaloraAdapter(LoraAdapter lora, long group) {
    super(lora);
    this.group = group;
  }

  private long groups() {
    return a().shape().get(1);
  }

  private double factor() {
    return (double) groups() / group;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    DType type = a().dtype();
    Tensor input = x.to(type);
    if (training) {
      input = Dropouts.dropout(input, lora().dropout());
    }
    long[] sizes = x.shape().toArray();
    sizes[sizes.length - 1] = groups();
    Tensor pooled = input.reshape(-1, groups(), group).sum(2).mul(factor()).reshape(sizes);
    return lora().update(pooled, y, a().tensor(), false);
  }

  @Override
  Tensor delta() {
    Tensor each = LoraMath.delta(a().tensor(), b().tensor(), scaling()).mul(factor());
    long rows = each.size(0);
    return each.unsqueeze(-1).expand(rows, groups(), group).reshape(rows, groups() * group);
  }

  @Override
  public Optional<Tensor> weightChange() {
    return needsBias() ? Optional.empty() : Optional.of(delta());
  }
}
