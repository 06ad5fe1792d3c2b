package org.peftjava.peft.tuner.vblora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * VB-LoRA over a linear layer: {@code y = base(x) + B(A(drop(x)))}, where A and B are cut into
 * vectors, and each vector is a mixture of k vectors of the shared bank.
 *
 * <p>Paper: arXiv:2405.15179. Reference: PEFT {@code tuners/vblora/layer.py::Linear}. Shapes: bank
 * (n, v), logits of A (r, d/v, n), of B (o/v, r, n).
 */
final class VBLoRAAdapter extends DeltaAdapter {
  private static final String A = "vblora_logits_A";
  private static final String B = "vblora_logits_B";

  private final Mixture a;
  private final Mixture b;
  private final Parameter bank;
  private final double dropout;
  private final boolean isSavedShort;

  VBLoRAAdapter(Mixture a, Mixture b, Parameter bank, double dropout, boolean isSavedShort) {
    this.a = a;
    this.b = b;
    this.bank = bank;
    this.dropout = dropout;
    this.isSavedShort = isSavedShort;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight(A, "", a.logits()), new Weight(B, "", b.logits()));
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    if (!isSavedShort) {
      return super.saved();
    }
    Map<String, AdapterTensor> result = new LinkedHashMap<>(a.shortForm(A));
    result.putAll(b.shortForm(B));
    return result;
  }

  /** (r, d). */
  private Tensor down() {
    return a.of(bank.tensor()).reshape(a.logits().shape().get(0), -1);
  }

  /** (o, r). */
  private Tensor up() {
    return b.of(bank.tensor()).transpose(1, 2).reshape(-1, b.logits().shape().get(1));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    if (training && a.isShortened()) {
      throw new IllegalStateException(
          "This VB-LoRA adapter cannot be trained further: its file holds only the largest logits"
              + " (saveOnlyTopkWeights). Train from a file that was saved without that option.");
    }
    return LowRankUpdate.add(y, x, down(), up(), 1, training ? dropout : 0);
  }

  @Override
  protected Tensor delta(boolean training) {
    return up().matmul(down());
  }
}
