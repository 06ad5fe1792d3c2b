package org.peftjava.peft.tuner;

/**
 * How the weights of a new adapter are made.
 *
 * @param autocastAdapterDtype whether adapters of 16-bit layers are float32
 * @param lowCpuMemUsage whether saved weights have no values yet, because they will be loaded
 */
public record AddOptions(boolean autocastAdapterDtype, boolean lowCpuMemUsage) {
  /** Float32, with first values. */
  public static final AddOptions DEFAULT = new AddOptions(true, false);
}
