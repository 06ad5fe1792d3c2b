package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * LoRA over a head that shares its weight with the token embeddings, with their matrices: {@code y
 * = base(x) + s * x B A} for an embedding's A (r, n) and B (d, r).
 *
 * <p>The matrices are one parameter each, whose gradients from both places add up. PEFT makes two
 * parameters over the same memory, each with an optimizer's state of its own. Reference: PEFT
 * {@code LoraModel._add_targets_to_tie}; values in golden/lora_tied.
 */
final class TiedLoraAdapter implements LayerAdapter {
  private final LinearLayer base;
  private final LoraEmbeddingAdapter owner;
  private final double dropout;

  TiedLoraAdapter(LinearLayer base, LoraEmbeddingAdapter owner, double dropout) {
    this.base = base;
    this.owner = owner;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return owner.weights().stream()
        .map(w -> new Weight(w.group(), w.leaf(), w.parameter(), Role.TIED))
        .toList();
  }

  /** The matrices turned around, under the names that a linear layer's have. */
  @Override
  public Map<String, AdapterTensor> saved() {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    result.put("lora_A.weight", turned(owner.b()));
    result.put("lora_B.weight", turned(owner.a()));
    return result;
  }

  private static AdapterTensor turned(Parameter matrix) {
    return new AdapterTensor(
        Shape.of(matrix.shape().get(1), matrix.shape().get(0)),
        () -> matrix.tensor().detach().t().contiguous(),
        values -> matrix.copyFrom(values.t().contiguous()));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return LowRankUpdate.add(
        y,
        x,
        owner.b().tensor().t().contiguous(),
        owner.a().tensor().t().contiguous(),
        owner.scaling(),
        training ? dropout : 0);
  }

  @Override
  public boolean keepsTies() {
    return owner.keepsTies();
  }

  /** Whether the embedding's adapter has already changed the weight of both. */
  private boolean isDone() {
    Parameter own = ((Module) base).ownParameters().get("weight");
    return own != null && own == owner.table();
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return isDone() ? weight : owner.mergedInto(weight);
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return isDone() ? weight : owner.removedFrom(weight);
  }
}
