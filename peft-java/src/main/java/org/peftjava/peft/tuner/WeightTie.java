package org.peftjava.peft.tuner;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** The weight that a layer shares with others, while merging has given it a copy of its own. */
final class WeightTie {
  private static final String WEIGHT = "weight";

  private @Nullable Parameter shared;

  /** The shared weight, while the layer has a copy. */
  @Nullable Parameter shared() {
    return shared;
  }

  /** Gives the layer a copy of its weight, if it shares it and has none yet. */
  void untie(Module layer, SharedParameters parameters) {
    Parameter weight = layer.ownParameters().get(WEIGHT);
    if (weight != null && shared == null && parameters.leave(weight)) {
      Parameter own = new Parameter(weight.shape(), weight.dtype(), tensor -> {});
      own.adopt(weight.tensor().detach().copy());
      own.requiresGrad(weight.requiresGrad());
      layer.share(WEIGHT, own);
      shared = weight;
    }
  }

  /** Shares the weight again. */
  void retie(Module layer) {
    Parameter weight = shared;
    if (weight != null) {
      Parameter own = layer.ownParameters().get(WEIGHT);
      layer.share(WEIGHT, weight);
      if (own != null) {
        own.close();
      }
      shared = null;
    }
  }
}
