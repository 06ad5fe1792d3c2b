package org.peftjava.transformers.model;

import java.util.OptionalLong;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;

/**
 * The values that a model built from its config starts with, as transformers' {@code
 * PreTrainedModel._init_weights}: linear weights and embeddings from N(0, std), biases and the
 * padding row 0.
 */
public final class InitialWeights {
  private InitialWeights() {}

  /** Says how {@link Module#initialize} shall fill the linear layers and embeddings below. */
  public static void declare(Module root, double std) {
    for (Module module : root.namedModules().values()) {
      if (module instanceof Linear linear) {
        linear.weight().init(Init.normal(std));
        linear.bias().ifPresent(bias -> bias.init(Init.zeros()));
      } else if (module instanceof EmbeddingLayer embedding) {
        embedding.table().init(embedding(std, embedding.paddingIdx()));
      }
    }
  }

  private static Init embedding(double std, OptionalLong paddingRow) {
    return table -> {
      table.normalInPlace(0, std);
      paddingRow.ifPresent(row -> table.narrow(0, row, 1).fillInPlace(0));
    };
  }
}
