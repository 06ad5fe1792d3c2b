package org.peftjava.peft.tuner.xlora;

/**
 * Shares that a classifier has given: what Python returns as a tensor (b, t, layers, adapters).
 *
 * @param shape b rows, t tokens, adapted layers, adapters
 * @param values in row-major order; not copied, so do not change them
 */
@SuppressWarnings("ArrayRecordComponent") // large, and there is nothing to compare
public record Scalings(long[] shape, float[] values) {
  /** The share of an adapter for a token in a layer. */
  public float get(int row, int token, int layer, int adapter) {
    long place = ((row * shape[1] + token) * shape[2] + layer) * shape[3] + adapter;
    return values[Math.toIntExact(place)];
  }

  /** Number of tokens in a row. */
  public int length() {
    return Math.toIntExact(shape[1]);
  }
}
