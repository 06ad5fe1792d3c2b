package org.peftjava.peft.tuner;

import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;

/** A layer of another kind, such as a norm, with full trainable copies. */
final class SavedLayer extends SavedModule implements Layer {
  SavedLayer(AdapterSet set, Module original) {
    super(set, original);
  }

  @Override
  public Tensor forward(Tensor x) {
    return acted(x);
  }
}
