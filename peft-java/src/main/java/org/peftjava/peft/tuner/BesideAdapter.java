package org.peftjava.peft.tuner;

import java.util.List;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * An adapter of an attention: vectors beside the text that each token asks, and a gate by which
 * what it gets is multiplied.
 *
 * <p>Shapes: vectors (1, n, e), gate (1).
 */
public final class BesideAdapter implements LayerAdapter {
  private final Parameter vectors;
  private final Parameter gate;
  private final List<Weight> weights;

  /**
   * Of two weights.
   *
   * @param vectorsName how the vectors are called in names and files, such as "adaption_prompt"
   * @param gateName how the gate is called
   */
  public BesideAdapter(String vectorsName, Parameter vectors, String gateName, Parameter gate) {
    this.vectors = vectors;
    this.gate = gate;
    weights = List.of(new Weight(gateName, "", gate), new Weight(vectorsName, "", vectors));
  }

  Tensor vectors() {
    return vectors.tensor();
  }

  Tensor gate() {
    return gate.tensor();
  }

  @Override
  public List<Weight> weights() {
    return weights;
  }

  @Override
  public boolean mixesBatches() {
    return false;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    throw new UnsupportedOperationException("An attention adds its vectors itself.");
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    throw new UnsupportedOperationException("An attention has no weight of its own.");
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    throw new UnsupportedOperationException("An attention has no weight of its own.");
  }
}
