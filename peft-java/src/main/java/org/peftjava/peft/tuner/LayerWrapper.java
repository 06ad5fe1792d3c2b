package org.peftjava.peft.tuner;

import org.peftjava.torch.nn.Module;

/** A module that stands where a layer of the base model was, and holds it. */
public sealed interface LayerWrapper permits AdaptedLayer, SavedModule {
  /** The layer of the base model. */
  Module original();

  /** Which adapters the model has that this layer belongs to. */
  AdapterSet adapterSet();
}
