package org.peftjava.transformers;

/**
 * A model whose passes over one new token start the same work but for the token and its place, as
 * long as nothing changes. So a generation may record one and repeat it, without the model's
 * forward method; it says here when it does.
 */
public interface RepeatedPasses {
  /** Marks the time of such a pass, as forward would. */
  ModelAdapters.Pass run();

  /** Another number when weights or adapters may not be those of before. */
  long changes();
}
