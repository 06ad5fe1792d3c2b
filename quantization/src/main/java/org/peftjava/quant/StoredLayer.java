package org.peftjava.quant;

import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;

/** What a checkpoint holds for one linear layer, before anything of it is loaded. */
public interface StoredLayer {
  /** Whether there is a tensor of this name below the layer, such as "SCB". */
  boolean has(String part);

  /** The full name of a tensor below the layer. */
  String name(String part);

  /** The elements of a small uint8 tensor below the layer. */
  byte[] bytes(String part);

  /** The type of the tensor "weight". */
  DType dtype();

  /** The sizes of the tensor "weight". */
  Shape shape();
}
