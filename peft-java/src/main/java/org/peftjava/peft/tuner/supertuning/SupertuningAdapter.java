package org.peftjava.peft.tuner.supertuning;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Super-Tuning over a linear layer: {@code y = base(x) + x D^T}, where D is zero except at n fixed
 * places; Supra adds {@code s B A drop(x)}.
 *
 * <p>Paper: arXiv:2607.09287. Reference: PEFT {@code tuners/supertuning/layer.py::Linear}. Shapes:
 * values (n), places (n) int32 in the flat weight, D (o, d), A (r, d), B (o, r).
 */
final class SupertuningAdapter extends DeltaAdapter {
  private static final String PLACES = "supertuning_indices";

  private final Parameter values;
  private final Parameter places;
  private final boolean savesPlaces;
  private final long out;
  private final long in;
  private final @Nullable Pair pair;

  /**
   * Supra's matrices.
   *
   * @param scaling alpha / r
   * @param dropout probability of dropping an element of x in training
   */
  record Pair(Parameter a, Parameter b, double scaling, double dropout) {
    Tensor delta() {
      return b.tensor().matmul(a.tensor()).mul(scaling);
    }
  }

  SupertuningAdapter(
      Parameter values,
      Parameter places,
      boolean savesPlaces,
      long out,
      long in,
      @Nullable Pair pair) {
    this.values = values;
    this.places = places;
    this.savesPlaces = savesPlaces;
    this.out = out;
    this.in = in;
    this.pair = pair;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(new Weight("supertuning_values", "", values));
    result.add(new Weight(PLACES, "", places, savesPlaces ? Role.BUFFER : Role.DERIVED));
    if (pair != null) {
      result.add(new Weight("supertuning_lora_A", "weight", pair.a()));
      result.add(new Weight("supertuning_lora_B", "weight", pair.b()));
    }
    return result;
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    Map<String, AdapterTensor> result = new LinkedHashMap<>(super.saved());
    result.computeIfPresent(
        PLACES, (key, entry) -> new AdapterTensor(entry.shape(), entry.read(), this::readPlaces));
    return result;
  }

  private void readPlaces(Tensor read) {
    for (long place : read.to(DType.INT64).toLongs()) {
      if (place < 0 || place >= out * in) {
        throw new IllegalArgumentException(
            "A Super-Tuning adapter trains element "
                + place
                + " of a weight of "
                + out * in
                + " elements. Do the file and the base model belong together?");
      }
    }
    places.copyFrom(read);
  }

  /** What the values add to the weight, (o, d). */
  private Tensor sparse() {
    Tensor index = places.tensor().to(DType.INT64);
    Tensor zeros = Creation.zeros(values.dtype(), index.device(), out * in);
    return Ops.scatterAdd(zeros, 0, index, values.tensor()).reshape(out, in);
  }

  @Override
  protected Tensor delta(boolean training) {
    return pair == null ? sparse() : sparse().add(pair.delta());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    DType type = values.dtype();
    Tensor sum = y.to(type).add(MatrixOps.linear(x.to(type), sparse(), null));
    return pair == null
        ? sum
        : LowRankUpdate.add(
            sum,
            x,
            pair.a().tensor(),
            pair.b().tensor(),
            pair.scaling(),
            training ? pair.dropout() : 0);
  }
}
