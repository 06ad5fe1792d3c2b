package org.peftjava.peft.tuner.lora.adalora;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * AdaLoRA over a linear layer: {@code y = base(x) + alpha / n * B diag(E) A drop(x)}, an update in
 * the form of a singular value decomposition. n is the rank at first, also when ranks are gone.
 *
 * <p>Paper: arXiv:2303.10512. Reference: PEFT {@code tuners/adalora/layer.py::SVDLinear}. Shapes: x
 * (..., d), y (..., o), A (r, d), E (r, 1), B (o, r).
 *
 * <p>Ranks that the rank pattern drops stay in memory while they are trained, with E set to 0 at
 * each choice; files are without them. An adapter that was loaded from such a file has only what
 * the file has, and its pattern goes on counting the ranks of the first adapter.
 */
final class AdaLoraAdapter extends DeltaAdapter implements ScaledAdapter {
  private static final double EPS = 1e-5;

  private final Parameter a;
  private final Parameter e;
  private final Parameter b;
  private final Parameter ranknum;
  private final int[] slots; // which of the n ranks each of the r ones is
  private final double initialScaling;
  private final double dropout;
  private List<Boolean> kept;
  private double scaling;

  /**
   * @param kept which of the n ranks there are
   */
  AdaLoraAdapter(
      Parameter a,
      Parameter e,
      Parameter b,
      Parameter ranknum,
      List<Boolean> kept,
      double scaling,
      double dropout) {
    this.a = a;
    this.e = e;
    this.b = b;
    this.ranknum = ranknum;
    this.kept = List.copyOf(kept);
    this.scaling = scaling;
    this.dropout = dropout;
    initialScaling = scaling;
    slots = IntStream.range(0, kept.size()).filter(kept::get).toArray();
  }

  Parameter a() {
    return a;
  }

  Parameter e() {
    return e;
  }

  Parameter b() {
    return b;
  }

  /** How many ranks there are in memory. */
  int rank() {
    return slots.length;
  }

  /** Which of the first n ranks a file has. */
  List<Boolean> kept() {
    return kept;
  }

  /** Says which of the first n ranks a file has. */
  void kept(List<Boolean> pattern) {
    kept = List.copyOf(pattern);
  }

  /**
   * The pattern over the first n ranks in which those in memory have these values.
   *
   * @param inMemory one for each rank in memory
   */
  List<Boolean> spread(boolean[] inMemory) {
    List<Boolean> result = new ArrayList<>(Collections.nCopies(kept.size(), false));
    for (int i = 0; i < slots.length; i++) {
      result.set(slots[i], inMemory[i]);
    }
    return result;
  }

  /** Sets E to 0 where the pattern has no rank. */
  void mask() {
    float[] factors = new float[slots.length];
    for (int i = 0; i < slots.length; i++) {
      factors[i] = kept.get(slots[i]) ? 1 : 0;
    }
    Tensor values = e.tensor().detach();
    Tensor mask = Creation.ofFloats(factors, slots.length, 1).to(values.device());
    e.copyFrom(values.maskedFill(mask.eq(0), 0));
  }

  @Override
  public double scaling() {
    return scaling;
  }

  @Override
  public double initialScaling() {
    return initialScaling;
  }

  @Override
  public void scaling(double value) {
    scaling = value;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("lora_A", "", a),
        new Weight("lora_E", "", e),
        new Weight("lora_B", "", b),
        new Weight("ranknum", "", ranknum, Role.CONSTANT));
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    long[] rows =
        IntStream.range(0, slots.length).filter(i -> kept.get(slots[i])).asLongStream().toArray();
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    result.put("lora_A", entry(a, 0, rows, false));
    result.put("lora_E", entry(e, 0, rows, true));
    result.put("lora_B", entry(b, 1, rows, false));
    return result;
  }

  /**
   * The ranks of a parameter that a file has.
   *
   * @param clears whether taking values over sets the others to 0
   */
  private AdapterTensor entry(Parameter parameter, int dim, long[] ranks, boolean clears) {
    if (ranks.length == slots.length) {
      return AdapterTensor.of(parameter);
    }
    long[] sizes = parameter.shape().toArray();
    sizes[dim] = ranks.length;
    return new AdapterTensor(
        Shape.of(sizes),
        () -> parameter.tensor().detach().indexSelect(dim, index(ranks, parameter)),
        values -> {
          Tensor all = parameter.tensor().detach().copy();
          if (clears) {
            all.fillInPlace(0);
          }
          Tensor taken = values.to(all.device()).to(all.dtype());
          parameter.copyFrom(all.indexCopyInPlace(dim, index(ranks, parameter), taken));
        });
  }

  private static Tensor index(long[] ranks, Parameter parameter) {
    Device device = parameter.tensor().device();
    return Creation.ofLongs(ranks, ranks.length).to(device);
  }

  private double factor() {
    return scaling / (kept.size() + EPS);
  }

  private Tensor low() {
    return a.tensor().mul(e.tensor());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return LowRankUpdate.add(y, x, low(), b.tensor(), factor(), training ? dropout : 0);
  }

  @Override
  protected Tensor delta(boolean training) {
    DType type = a.dtype();
    DType wide = type.isHalfPrecision() ? DType.FLOAT32 : type;
    return b.tensor().to(wide).matmul(low().to(wide)).mul(factor()).to(type);
  }
}
