package org.peftjava.peft.tuner.waveft;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Spectral;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/**
 * One wavelet: the filters that put a matrix together from its coefficients.
 *
 * <p>Reference: PEFT {@code tuners/waveft/wavelet.py, waverec2d.py}.
 */
final class Wavelet {
  private static final Properties FILTERS = filters();

  private final float[] low;
  private final float[] high;

  private Wavelet(double[] filter) {
    int length = filter.length;
    low = new float[length];
    high = new float[length];
    for (int i = 0; i < length; i++) {
      low[i] = (float) filter[i];
      high[i] = (float) (i % 2 == 0 ? filter[length - 1 - i] : -filter[length - 1 - i]);
    }
  }

  /** The names of all wavelets. */
  static Set<String> families() {
    return FILTERS.stringPropertyNames();
  }

  /** The wavelet of this name, one of {@link #families}. */
  static Wavelet of(String name) {
    double scale = name.startsWith("coif") ? Math.sqrt(2) : 1;
    String values = Objects.requireNonNull(FILTERS.getProperty(name), name);
    return new Wavelet(
        Splitter.on(' ').splitToList(values).stream()
            .mapToDouble(value -> Double.parseDouble(value) * scale)
            .toArray());
  }

  private static Properties filters() {
    Properties result = new Properties();
    try (InputStream in =
        Objects.requireNonNull(Wavelet.class.getResourceAsStream("wavelets.properties"))) {
      result.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return result;
  }

  /** The coefficients along one side of a matrix of this size: an even number. */
  long coefficients(long size) {
    long padded = size + low.length - 2;
    return padded + padded % 2;
  }

  /**
   * Moves places in a matrix (o, d), row by row, to the middle of the matrix of coefficients.
   *
   * @param places (n), int64; changed
   */
  void moveToMiddle(Parameter places, long out, long in) {
    long width = coefficients(in);
    long above = (coefficients(out) - out) / 2;
    long before = (width - in) / 2;
    try (TensorScope scope = TensorScope.open("move places")) {
      long[] moved =
          Arrays.stream(places.tensor().toLongs())
              .map(place -> (place / in + above) * width + place % in + before)
              .toArray();
      places.copyFrom(Creation.ofLongs(moved, moved.length));
    }
  }

  /**
   * The matrix with these coefficients, both sides of which are even: (c, e) to at least (o, d).
   */
  Tensor matrix(Tensor coefficients) {
    long h = coefficients.size(0) / 2;
    long w = coefficients.size(1) / 2;
    Tensor bands = coefficients.reshape(2, h, 2, w).transpose(1, 2).reshape(1, 4, h, w);
    Tensor filters =
        Creation.ofFloats(products(), 4, 1, low.length, low.length)
            .to(coefficients.device())
            .to(coefficients.dtype());
    return Spectral.waveletInverse(bands, filters);
  }

  /** The filters of the four bands, one after the other. */
  private float[] products() {
    int length = low.length;
    float[] result = new float[4 * length * length];
    for (int band = 0; band < 4; band++) {
      float[] rows = band % 2 == 0 ? low : high;
      float[] columns = band < 2 ? low : high;
      for (int i = 0; i < length; i++) {
        for (int j = 0; j < length; j++) {
          result[(band * length + i) * length + j] = rows[i] * columns[j];
        }
      }
    }
    return result;
  }
}
