package org.peftjava.peft.tuner.shira;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * SHiRA over a linear layer: D is zero except at n fixed places.
 *
 * <p>Paper: arXiv:2406.13175. Reference: PEFT {@code tuners/shira/layer.py::Linear}. Shapes: values
 * (n), places (2, n) int32: rows, then columns.
 */
final class ShiraAdapter extends DeltaAdapter {
  private static final String PLACES = "shira_indices";

  private final Parameter values;
  private final Parameter places;
  private final long out;
  private final long in;

  ShiraAdapter(Parameter values, Parameter places, long out, long in) {
    this.values = values;
    this.places = places;
    this.out = out;
    this.in = in;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("shira_weight", "", values), new Weight(PLACES, "", places, Role.BUFFER));
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    Map<String, AdapterTensor> result = new LinkedHashMap<>(super.saved());
    AdapterTensor entry = AdapterTensor.of(places);
    result.put(PLACES, new AdapterTensor(entry.shape(), entry.read(), this::readPlaces));
    return result;
  }

  /** A file's places must be in the weight: a column beyond it would be another row's. */
  private void readPlaces(Tensor read) {
    long[] numbers = read.to(DType.INT64).toLongs();
    for (int i = 0; i < numbers.length; i++) {
      long size = i < numbers.length / 2 ? out : in;
      if (numbers[i] < 0 || numbers[i] >= size) {
        throw new IllegalArgumentException(
            "A SHiRA adapter changes "
                + (i < numbers.length / 2 ? "row " : "column ")
                + numbers[i]
                + " of a weight of "
                + out
                + " rows and "
                + in
                + " columns. Do the file and the base model belong together?");
      }
    }
    places.copyFrom(read);
  }

  @Override
  protected Tensor delta(boolean training) {
    Tensor index = places.tensor().to(DType.INT64);
    Tensor flat = index.select(0, 0).mul((double) in).add(index.select(0, 1));
    Tensor zeros = Creation.zeros(values.dtype(), flat.device(), out * in);
    return Ops.scatterAdd(zeros, 0, flat, values.tensor()).reshape(out, in);
  }
}
