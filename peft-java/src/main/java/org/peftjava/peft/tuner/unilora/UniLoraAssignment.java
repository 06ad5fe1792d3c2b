package org.peftjava.peft.tuner.unilora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Gives each place in the matrices of all layers an index into the vector: all indices equally
 * often, or once more, in an order that the seed decides. A place's scale is {@code 1/sqrt(c)}, if
 * its index has c places.
 *
 * <p>The same seed gives Python's indices. Reference: PEFT {@code
 * UniLoraModel._assign_unilora_indices_and_scales, generate_index}.
 */
final class UniLoraAssignment {
  private static final int MOST = 1 << 29; // places; each takes 24 bytes

  private final UniLoraConfig config;
  private final int[] indices;
  private final float[] scales;
  private int next;

  private UniLoraAssignment(UniLoraConfig config, int places) {
    this.config = config;
    indices = indices(places, config.thetaDLength(), config.projSeed());
    int[] counts = new int[config.thetaDLength()];
    for (int index : indices) {
      counts[index]++;
    }
    scales = new float[counts.length];
    for (int i = 0; i < counts.length; i++) {
      scales[i] = counts[i] == 0 ? 0 : 1 / (float) Math.sqrt((double) counts[i]);
    }
  }

  /** {@code generate_index}: so many indices below n. */
  static int[] indices(int count, int n, long seed) {
    NumpyRandom random = new NumpyRandom(seed);
    int[] result = new int[count];
    int each = count / n;
    for (int i = 0; i < each * n; i++) {
      result[i] = i / each;
    }
    int[] extras = count % n == 0 ? new int[0] : random.choice(n, count % n);
    System.arraycopy(extras, 0, result, each * n, extras.length);
    random.shuffle(result);
    return result;
  }

  /** The parts of each layer: indices of A and B, scales of A and B. */
  static Map<String, List<Parameter>> of(UniLoraConfig config, Map<String, Module> layers) {
    long places = 0;
    for (Module layer : layers.values()) {
      LinearLayer linear = (LinearLayer) layer;
      places += config.r() * (linear.inFeatures() + linear.outFeatures());
    }
    if (places > MOST) {
      throw new IllegalArgumentException(
          "UniLoraConfig: r "
              + config.r()
              + " gives the matrices of all layers "
              + places
              + " places; the most is "
              + MOST
              + ". Choose a smaller r, or fewer layers.");
    }
    UniLoraAssignment assignment = new UniLoraAssignment(config, (int) places);
    Map<String, List<Parameter>> result = new LinkedHashMap<>();
    layers.forEach((path, layer) -> result.put(path, assignment.next((LinearLayer) layer)));
    return result;
  }

  private List<Parameter> next(LinearLayer layer) {
    try (TensorScope scope = TensorScope.open("assign")) {
      long[] a = taken(config.r() * layer.inFeatures());
      long[] b = taken(config.r() * layer.outFeatures());
      Shape shapeOfA = Shape.of(config.r(), layer.inFeatures());
      Shape shapeOfB = Shape.of(layer.outFeatures(), config.r());
      return List.of(
          parameter(Creation.ofLongs(a, a.length), shapeOfA),
          parameter(Creation.ofLongs(b, b.length), shapeOfB),
          parameter(scalesOf(a), shapeOfA),
          parameter(scalesOf(b), shapeOfB));
    }
  }

  private long[] taken(long count) {
    long[] result = new long[Math.toIntExact(count)];
    for (int i = 0; i < result.length; i++) {
      result[i] = indices[next++];
    }
    return result;
  }

  private Tensor scalesOf(long[] places) {
    float[] result = new float[places.length];
    for (int i = 0; i < result.length; i++) {
      result[i] = scales[(int) places[i]];
    }
    return Creation.ofFloats(result, result.length);
  }

  private static Parameter parameter(Tensor values, Shape shape) {
    Parameter result = new Parameter(shape, values.dtype(), Init.zeros());
    result.copyFrom(values.reshape(shape.toArray()));
    result.requiresGrad(false);
    return result;
  }
}
