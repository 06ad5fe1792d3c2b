package org.peftjava.peft.tuner.lora;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerConfigBuilder;

/**
 * Collects the fields of a {@link LoraConfig}. Each method is the Python field of the same name;
 * what is not set has Python's default, given after the semicolon.
 */
public final class LoraConfigBuilder extends LayerConfigBuilder<LoraConfigBuilder> {
  LoraConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected LoraConfigBuilder self() {
    return this;
  }

  /** Rank of the update; 8. */
  public LoraConfigBuilder r(int value) {
    return set("r", value);
  }

  /** Numerator of the scaling alpha/r; 8. */
  public LoraConfigBuilder loraAlpha(int value) {
    return set("lora_alpha", value);
  }

  /** Numerator of the scaling alpha/r; 8. */
  public LoraConfigBuilder loraAlpha(double value) {
    return set("lora_alpha", value);
  }

  /** Probability of dropping an element of the adapter's input in training; 0. */
  public LoraConfigBuilder loraDropout(double value) {
    return set("lora_dropout", value);
  }

  /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
  public LoraConfigBuilder fanInFanOut(boolean value) {
    return set("fan_in_fan_out", value);
  }

  /** Which biases of the base are trained with the adapter; none. */
  public LoraConfigBuilder bias(LoraConfig.Bias value) {
    return set("bias", value.toField());
  }

  /** Scaling alpha/sqrt(r) instead of alpha/r, arXiv:2312.03732; false. */
  public LoraConfigBuilder useRslora(boolean value) {
    return set("use_rslora", value);
  }

  /** True: A random, B zero. False: both random, for debugging. */
  public LoraConfigBuilder initLoraWeights(boolean value) {
    return set("init_lora_weights", value);
  }

  /** How A and B start. */
  public LoraConfigBuilder initLoraWeights(LoraInit value) {
    return set("init_lora_weights", value.toField());
  }

  /**
   * Ranks for modules whose path ends with a match of the pattern; the first that matches counts.
   */
  public LoraConfigBuilder rankPattern(Map<String, Integer> value) {
    return set("rank_pattern", value);
  }

  /** Alphas, as rankPattern. */
  public LoraConfigBuilder alphaPattern(Map<String, ? extends Number> value) {
    return set("alpha_pattern", value);
  }

  /** Megatron's parallel layers. Not applied. */
  public LoraConfigBuilder megatronConfig(Map<String, ?> value) {
    return set("megatron_config", value);
  }

  /** Megatron's module; megatron.core. */
  public LoraConfigBuilder megatronCore(String value) {
    return set("megatron_core", value);
  }

  /** Token ids whose input embeddings are trained. Not applied yet. */
  public LoraConfigBuilder trainableTokenIndices(List<Integer> value) {
    return set("trainable_token_indices", value);
  }

  /** Token ids whose embeddings are trained, by layer. Not applied yet. */
  public LoraConfigBuilder trainableTokenIndices(Map<String, List<Integer>> value) {
    return set("trainable_token_indices", value);
  }

  /** Options of the loftq initialization. Not applied yet. */
  public LoraConfigBuilder loftqConfig(Map<String, ?> value) {
    return set("loftq_config", value);
  }

  /** Options of the eva initialization. Not applied yet. */
  public LoraConfigBuilder evaConfig(Map<String, ?> value) {
    return set("eva_config", value);
  }

  /** Options of the corda initialization. Not applied yet. */
  public LoraConfigBuilder cordaConfig(Map<String, ?> value) {
    return set("corda_config", value);
  }

  /** Options of the lora_ga initialization. Not applied yet. */
  public LoraConfigBuilder loraGaConfig(Map<String, ?> value) {
    return set("lora_ga_config", value);
  }

  /** Magnitude and direction apart, arXiv:2402.09353. Not applied yet. */
  public LoraConfigBuilder useDora(boolean value) {
    return set("use_dora", value);
  }

  /** Compressed activations in the backward pass. Not applied yet. */
  public LoraConfigBuilder veloraConfig(Map<String, ?> value) {
    return set("velora_config", value);
  }

  /** Tokens after which the adapter acts. Not applied yet. */
  public LoraConfigBuilder aloraInvocationTokens(List<Integer> value) {
    return set("alora_invocation_tokens", value);
  }

  /** Quantization-aware LoRA. Not applied yet. */
  public LoraConfigBuilder useQalora(boolean value) {
    return set("use_qalora", value);
  }

  /** Group size of QALoRA; 16. */
  public LoraConfigBuilder qaloraGroupSize(int value) {
    return set("qalora_group_size", value);
  }

  /** Variational Monte-Carlo LoRA. Not applied yet. */
  public LoraConfigBuilder montecloraConfig(Map<String, ?> value) {
    return set("monteclora_config", value);
  }

  /** Ranges of layers to stack. Not applied yet. */
  public LoraConfigBuilder layerReplication(List<List<Integer>> value) {
    return set("layer_replication", value);
  }

  /** Options of this process; never saved. */
  public LoraConfigBuilder runtimeConfig(Map<String, ?> value) {
    return set("runtime_config", value);
  }

  /** Whether B has a bias; false. */
  public LoraConfigBuilder loraBias(boolean value) {
    return set("lora_bias", value);
  }

  /** Parameters to adapt, without a layer of their own. Not applied yet. */
  public LoraConfigBuilder targetParameters(String... value) {
    return set("target_parameters", Arrays.asList(value));
  }

  /** Block-diagonal A or B. Not applied yet. */
  public LoraConfigBuilder useBdlora(Map<String, ?> value) {
    return set("use_bdlora", value);
  }

  /** Routing between LoRA experts. Not applied yet. */
  public LoraConfigBuilder arrowConfig(Map<String, ?> value) {
    return set("arrow_config", value);
  }

  /** Truncated weight with a diagonal factor. Not applied yet. */
  public LoraConfigBuilder kasaConfig(Map<String, ?> value) {
    return set("kasa_config", value);
  }

  /** Whether adapters of tied layers are tied too. Not applied yet. */
  public LoraConfigBuilder ensureWeightTying(boolean value) {
    return set("ensure_weight_tying", value);
  }

  /** The config, checked. */
  public LoraConfig build() {
    return LoraConfig.of(values());
  }
}
