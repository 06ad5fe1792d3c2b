package org.peftjava.transformers.model.t5;

import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Linear;

/** The values that a T5 built from its config starts with, as {@code _init_weights}. */
final class T5Weights {
  private T5Weights() {}

  /** A linear layer without bias, whose weights start from N(0, std). */
  static Linear linear(long in, long out, double std, DType dtype) {
    Linear linear = new Linear(in, out, false, dtype);
    linear.weight().init(Init.normal(std));
    return linear;
  }

  /** The token embedding, which the head may share. */
  static Embedding embedding(T5Config config, DType dtype) {
    Embedding embedding = new Embedding(config.vocabSize(), config.dModel(), dtype);
    embedding.table().init(Init.normal(config.initializerFactor()));
    return embedding;
  }
}
