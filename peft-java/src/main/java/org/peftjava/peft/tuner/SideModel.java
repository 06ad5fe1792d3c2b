package org.peftjava.peft.tuner;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.peftjava.torch.nn.Parameter;

/** A small model that reads what the base reads, and whose weights belong to an adapter. */
public interface SideModel {
  /** Its weights by Python's names, in order. Whoever makes the adapter owns them. */
  Map<String, Parameter> weights();

  /** The names of those that are not trained. */
  Set<String> frozen();

  /**
   * The map from its hidden states to the base's (base size, its size), if it came with one; not
   * among the weights.
   */
  Optional<Parameter> projection();

  /** Length of its hidden states. */
  int hiddenSize();
}
