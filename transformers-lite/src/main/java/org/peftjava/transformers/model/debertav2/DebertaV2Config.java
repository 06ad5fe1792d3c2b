package org.peftjava.transformers.model.debertav2;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.regex.Pattern;
import org.peftjava.transformers.config.ConfigDefaults;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.EncoderConfig;

/**
 * The configuration of a DeBERTa-v2 or DeBERTa-v3 model, with the names, meanings and defaults of
 * transformers' {@code DebertaV2Config}.
 *
 * @param json every setting, with those that this library does not use
 * @param nameOrPath where the model came from
 */
public record DebertaV2Config(ConfigJson json, Optional<String> nameOrPath)
    implements EncoderConfig {
  static final String MODEL_TYPE = "deberta-v2";
  static final String CONTENT_TO_POSITION = "c2p";
  static final String POSITION_TO_CONTENT = "p2c";

  private static final Pattern BAR = Pattern.compile("\\|");
  private static final String POS_ATT_TYPE = "pos_att_type";

  private static final ConfigDefaults DEFAULTS =
      ConfigDefaults.parse(
          """
          {
            "model_type": "deberta-v2", "vocab_size": 128100, "hidden_size": 1536,
            "num_hidden_layers": 24, "num_attention_heads": 24, "intermediate_size": 6144,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512,
            "type_vocab_size": 0, "initializer_range": 0.02, "layer_norm_eps": 1e-7,
            "relative_attention": false, "max_relative_positions": -1, "pad_token_id": 0,
            "bos_token_id": null, "eos_token_id": null, "position_biased_input": true,
            "pos_att_type": null, "pooler_dropout": 0.0, "pooler_hidden_act": "gelu",
            "legacy": true, "tie_word_embeddings": true
          }
          """);

  /** Checks the settings; absent ones get transformers' defaults. */
  public DebertaV2Config {
    ConfigJson full = DEFAULTS.complete(json);
    if (!full.has("pooler_hidden_size")) {
      full = full.with("pooler_hidden_size", full.getInt("hidden_size"));
    }
    if (full.node(POS_ATT_TYPE).filter(node -> node.isTextual()).isPresent()) {
      full = full.with(POS_ATT_TYPE, words(full.getString(POS_ATT_TYPE)));
    }
    check(full);
    json = full;
  }

  private static void check(ConfigJson json) {
    ConfigDefaults.positive(
        json,
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings");
    ConfigDefaults.probability(
        json,
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "pooler_dropout",
        "cls_dropout");
    ConfigDefaults.divisible(json, "hidden_size", "num_attention_heads");
    ConfigDefaults.padding(json);
    int size = json.getInt("hidden_size");
    if (json.getInt("type_vocab_size") < 0) {
      throw json.invalid("type_vocab_size", "expected 0 for none, or the number of token types.");
    }
    if (json.getInt("embedding_size", size) <= 0) {
      throw json.invalid("embedding_size", "expected a number above 0.");
    }
    if (json.getInt("pooler_hidden_size") != size) {
      throw json.invalid("pooler_hidden_size", "expected hidden_size, " + size + ".");
    }
    int headSize = size / json.getInt("num_attention_heads");
    if (json.getInt("attention_head_size", headSize) != headSize) {
      throw json.invalid(
          "attention_head_size", "expected hidden_size / num_attention_heads, " + headSize + ".");
    }
    Set<String> known = Set.of(CONTENT_TO_POSITION, POSITION_TO_CONTENT);
    if (!known.containsAll(json.getStrings(POS_ATT_TYPE))) {
      throw json.invalid(POS_ATT_TYPE, "expected any of [c2p, p2c].");
    }
    int kernel = json.getInt("conv_kernel_size", 0);
    int groups = json.getInt("conv_groups", 1);
    if (kernel < 0 || (kernel > 0 && kernel % 2 == 0)) {
      throw json.invalid("conv_kernel_size", "expected an odd number, or 0 for no convolution.");
    }
    if (groups <= 0 || size % groups != 0) {
      throw json.invalid("conv_groups", "expected a divisor of hidden_size, " + size + ".");
    }
  }

  private static List<String> words(String text) {
    return BAR.splitAsStream(text.toLowerCase(Locale.ROOT)).map(String::strip).toList();
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static DebertaV2Config of(ConfigJson json) {
    return new DebertaV2Config(json, Optional.empty());
  }

  /** The defaults of transformers: near to the shape of deberta-v2-xlarge. */
  public static DebertaV2ConfigBuilder builder() {
    return new DebertaV2ConfigBuilder(DEFAULTS.json());
  }

  @Override
  public DebertaV2Config withNameOrPath(String name) {
    return new DebertaV2Config(json, Optional.of(name));
  }

  @Override
  public int embeddingSize() {
    return json.getInt("embedding_size", hiddenSize());
  }

  /** Without positions of their own, texts may be of any length. */
  @Override
  public int longestSequence() {
    return positionBiasedInput() ? maxPositionEmbeddings() : UNLIMITED;
  }

  /** Whether tokens attend by their distance, too. */
  public boolean relativeAttention() {
    return json.getBoolean("relative_attention");
  }

  /** Which terms of distances the attention has: "c2p", "p2c". */
  public List<String> posAttType() {
    return json.getStrings(POS_ATT_TYPE);
  }

  /** The distance from which on all are one. */
  public int maxRelativePositions() {
    int given = json.getInt("max_relative_positions");
    return given < 1 ? maxPositionEmbeddings() : given;
  }

  /** Number of classes of distances in each direction, of which far ones share some; 0 for none. */
  public int positionBuckets() {
    return Math.max(0, json.getInt("position_buckets", -1));
  }

  /** Number of distances in each direction that have a vector. */
  public int span() {
    return positionBuckets() > 0 ? positionBuckets() : maxRelativePositions();
  }

  /** Whether vectors of distances go through the projections of the tokens. */
  public boolean shareAttKey() {
    return json.getBoolean("share_att_key", false);
  }

  /** Whether vectors of distances are normalised. */
  public boolean normRelEbd() {
    return words(json.getString("norm_rel_ebd", "none")).contains("layer_norm");
  }

  /** Whether a vector of its position is added to each token. */
  public boolean positionBiasedInput() {
    return json.getBoolean("position_biased_input");
  }

  /** Width of the convolution beside the first layer, or 0 for none. */
  public int convKernelSize() {
    return json.getInt("conv_kernel_size", 0);
  }

  /** Number of groups of channels that the convolution keeps apart. */
  public int convGroups() {
    return json.getInt("conv_groups", 1);
  }

  /** Name of the nonlinearity behind the convolution. */
  public String convAct() {
    return json.getString("conv_act", "tanh");
  }

  /** Dropout probability before the pooler, while training. */
  public double poolerDropout() {
    return json.getDouble("pooler_dropout");
  }

  /** Name of the nonlinearity behind the pooler. */
  public String poolerHiddenAct() {
    return json.getString("pooler_hidden_act");
  }

  /** Dropout probability before the classifier of texts: its own, else that of the blocks. */
  public double clsDropout() {
    OptionalDouble own = json.findDouble("cls_dropout");
    return own.orElse(hiddenDropoutProb());
  }

  /** Whether masked tokens are told by a head of BERT's form, not by DeBERTa's own. */
  public boolean legacy() {
    return json.getBoolean("legacy");
  }
}
