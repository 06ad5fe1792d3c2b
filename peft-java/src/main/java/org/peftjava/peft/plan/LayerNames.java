package org.peftjava.peft.plan;

import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.peftjava.transformers.config.PretrainedConfig;

/** What a layer's modules are for, by their names. */
final class LayerNames {
  private static final Pattern LAYER =
      Pattern.compile("(?:^|.*\\.)(?:layers?|block|h)\\.(\\d+)\\.(.+)");
  private static final Pattern LAST_PROJECTION =
      Pattern.compile(
          "(?:.*\\.)?(?:o_proj|out_proj|c_proj|out_lin|lin2|o|wo|fc2|fc_out|down_proj|dense_4h_to_h"
              + "|(?:output|attention|self_attention)\\.dense|self_attn\\.dense)");
  private static final Pattern ATTENTION = Pattern.compile("attn|attention|Attention");

  /** Keys and values that a decoder makes of the encoder's states. */
  private static final Pattern CROSS =
      Pattern.compile(".*\\.(?:EncDecAttention\\.[kv]|encoder_attn\\.[kv]_proj)");

  private LayerNames() {}

  /** The number of the layer that a module is in; empty outside of all layers. */
  static OptionalLong layer(String path) {
    Matcher matcher = LAYER.matcher(path);
    return matcher.matches()
        ? OptionalLong.of(Long.parseLong(matcher.group(1)))
        : OptionalLong.empty();
  }

  static boolean isAttention(String path) {
    return ATTENTION.matcher(path).find();
  }

  /** Whether a projection is the last of an attention or of a feed-forward block. */
  static boolean isLast(String path) {
    return LAST_PROJECTION.matcher(path).matches();
  }

  static boolean isCross(String path) {
    return CROSS.matcher(path).matches();
  }

  /** Norms of each query or key keep what they norm. */
  static boolean isHeadNorm(String path) {
    return path.endsWith(".q_norm") || path.endsWith(".k_norm");
  }

  /** A norm behind a block, in the models that have both. */
  static boolean isSandwichNorm(String path, PretrainedConfig config) {
    return config.modelType().startsWith("gemma")
        && (path.endsWith(".post_attention_layernorm")
            || path.endsWith(".post_feedforward_layernorm"));
  }
}
