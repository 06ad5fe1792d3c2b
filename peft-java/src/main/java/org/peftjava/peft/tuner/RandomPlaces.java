package org.peftjava.peft.tuner;

import org.peftjava.torch.DType;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/** Random elements of a weight, of which only some are trained. */
public final class RandomPlaces {
  private RandomPlaces() {}

  /**
   * The places of {@code nFrequency} different elements in the weight (o, d), row by row: int64
   * (count), on the layer's device.
   *
   * @param owner the config's class, for messages
   * @throws IllegalArgumentException if the weight has fewer elements, or none is asked for
   */
  public static Parameter of(String owner, LayerSite site, long count, long seed) {
    LinearLayer linear = site.linear();
    long all = linear.inFeatures() * linear.outFeatures();
    if (count < 1 || count > all) {
      throw new IllegalArgumentException(
          owner
              + ": nFrequency "
              + count
              + " does not fit \""
              + site.path()
              + "\", which has "
              + all
              + " weights. Choose fewer, or give this layer its own number in nFrequencyPattern.");
    }
    Parameter places = new Parameter(Shape.of(count), DType.INT64, Init.zeros());
    try (TensorScope scope = TensorScope.open("choose frequencies")) {
      places.copyFrom(new SeededRandom(seed).permutation(all).narrow(0, 0, count));
    }
    places.to(site.device());
    return places;
  }
}
