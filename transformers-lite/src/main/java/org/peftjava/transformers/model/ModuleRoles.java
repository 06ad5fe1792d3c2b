package org.peftjava.transformers.model;

import java.util.List;

/**
 * The names of an architecture's layers by what they do, so that adapters can pick sensible targets
 * without knowing the architecture.
 *
 * @param queryValue projections to queries and values: LoRA's default targets
 * @param attention all projections of the attention
 * @param feedForward all layers of the feed-forward block
 * @param feedForwardOutput the layers whose input IA3 rescales
 * @param inputEmbedding the token embedding
 * @param outputEmbedding the head that turns hidden states into logits
 */
public record ModuleRoles(
    List<String> queryValue,
    List<String> attention,
    List<String> feedForward,
    List<String> feedForwardOutput,
    String inputEmbedding,
    String outputEmbedding) {
  /** Decoders with gated feed-forward blocks, named as Llama names them. */
  public static final ModuleRoles GATED =
      new ModuleRoles(
          List.of("q_proj", "v_proj"),
          List.of("q_proj", "k_proj", "v_proj", "o_proj"),
          List.of("gate_proj", "up_proj", "down_proj"),
          List.of("down_proj"),
          "embed_tokens",
          "lm_head");
}
