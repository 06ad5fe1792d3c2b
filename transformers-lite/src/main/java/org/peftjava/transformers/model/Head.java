package org.peftjava.transformers.model;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Slot;

/**
 * What stands on a backbone: it turns hidden states into logits. Its layers are registered in the
 * model itself, beside the backbone, so that their names are Python's; see {@link HeadParts}.
 */
public interface Head {
  /**
   * Computes the logits, owned by the current scope: (b, labels) for heads that judge whole texts,
   * else (..., labels) for hidden states (..., e).
   *
   * @param backbone that computed the hidden states
   * @param hidden (b, t, e); heads that judge single tokens take any leading sizes
   * @param input that the hidden states were computed from
   */
  Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input);

  /**
   * The linear layer that is all there is to the head, if it is one: then a loss need not hold all
   * logits.
   */
  default Optional<Slot<LinearLayer>> projection() {
    return Optional.empty();
  }

  /**
   * Which weights are the same when the config says {@code tie_word_embeddings}: name to name, as
   * {@code _tied_weights_keys}.
   *
   * @param table full name of the token embedding's weight
   */
  default Map<String, String> ties(String table) {
    return Map.of();
  }

  /** Full names of further parameters with a number for each token, such as a lone bias. */
  default List<String> tokenBiases() {
    return List.of();
  }
}
