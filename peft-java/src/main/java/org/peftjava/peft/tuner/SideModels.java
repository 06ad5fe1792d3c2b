package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.nn.Parameter;

/** What small models beside a decoder can be made of, and what they need to know about it. */
public interface SideModels {
  /** Length of the base's hidden states. */
  int hiddenSize();

  /** The paths of the base's layers, in order. */
  List<String> layers();

  /** The layer that judges whole texts, its parameters by name, if the base has one. */
  Optional<Map<String, Parameter>> classifier();

  /**
   * The sizes of a small model of the base's kind; where one is empty, as the base's.
   *
   * @param layers number of layers
   */
  record Sizes(
      int layers,
      Optional<Integer> hidden,
      Optional<Integer> heads,
      Optional<Integer> intermediate) {}

  /**
   * A new small model of the base's kind, with random values.
   *
   * @param shareEmbeddings whether it reads the base's token vectors, if they have its size
   */
  SideModel mirror(Sizes sizes, boolean shareEmbeddings);

  /** The model in a folder or of a name on the hub. */
  SideModel load(String nameOrPath);
}
