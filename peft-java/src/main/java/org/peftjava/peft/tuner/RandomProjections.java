package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.torch.DType;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Two random matrices that all layers of an adapter share, as large as the largest layer needs: A
 * from a layer's input, B to its output. Reference: PEFT {@code tuners/vera/model.py}.
 *
 * @param a name of A
 * @param b name of B
 * @param seed of both
 * @param isSaved whether files hold them
 */
public record RandomProjections(String a, String b, long seed, boolean isSaved) {
  /** A with so many rows, and B with so many columns. */
  public SharedWeights over(Map<String, Module> layers, long rows, long columns) {
    long in = 0;
    long out = 0;
    for (Module layer : layers.values()) {
      in = Math.max(in, ((LinearLayer) layer).inFeatures());
      out = Math.max(out, ((LinearLayer) layer).outFeatures());
    }
    SeededRandom random = new SeededRandom(seed);
    Role role = isSaved ? Role.BUFFER : Role.DERIVED;
    return new SharedWeights(
        List.of(
            new Weight(a, "", drawn(random, rows, in), role),
            new Weight(b, "", drawn(random, out, columns), role)));
  }

  /** {@code kaiming_uniform_} with its default gain: uniform in ±sqrt(6/columns). */
  private static Parameter drawn(SeededRandom random, long rows, long columns) {
    double bound = Math.sqrt(3) * (Math.sqrt(2) / Math.sqrt((double) columns));
    Parameter result =
        new Parameter(
            Shape.of(rows, columns),
            DType.FLOAT32,
            tensor -> random.uniform(tensor, -bound, bound));
    result.initialize();
    result.requiresGrad(false);
    return result;
  }
}
