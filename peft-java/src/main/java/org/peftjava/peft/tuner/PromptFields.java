package org.peftjava.peft.tuner;

import java.util.List;

/** Names in adapter_config.json that every prompt learning config has. */
public final class PromptFields {
  /** Number of virtual tokens. */
  public static final String VIRTUAL_TOKENS = "num_virtual_tokens";

  /** Size of a virtual token's vector. */
  public static final String TOKEN_DIM = "token_dim";

  /** Number of transformers in the model. */
  public static final String SUBMODULES = "num_transformer_submodules";

  /** Number of attention heads. */
  public static final String HEADS = "num_attention_heads";

  /** Number of layers. */
  public static final String LAYERS = "num_layers";

  /** Inner size of the network that computes the virtual tokens, of methods that have one. */
  public static final String ENCODER_SIZE = "encoder_hidden_size";

  static final List<String> NUMBERS = List.of(VIRTUAL_TOKENS, TOKEN_DIM, SUBMODULES, HEADS, LAYERS);

  private PromptFields() {}
}
