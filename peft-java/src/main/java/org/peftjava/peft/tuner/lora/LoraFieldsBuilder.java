package org.peftjava.peft.tuner.lora;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerConfigBuilder;

/**
 * Collects the fields that LoRA and methods made of it have. Each method is the Python field of the
 * same name; what is not set has Python's default, given after the semicolon.
 *
 * @param <B> the builder itself
 */
public abstract class LoraFieldsBuilder<B extends LoraFieldsBuilder<B>>
    extends LayerConfigBuilder<B> {
  /** Starts from these values of adapter_config.json. */
  protected LoraFieldsBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  /** Rank of the update; 8. */
  public final B r(int value) {
    return set("r", value);
  }

  /** Numerator of the scaling alpha/r; 8. */
  public final B loraAlpha(int value) {
    return set("lora_alpha", value);
  }

  /** Numerator of the scaling alpha/r; 8. */
  public final B loraAlpha(double value) {
    return set("lora_alpha", value);
  }

  /** Probability of dropping an element of the adapter's input in training; 0. */
  public final B loraDropout(double value) {
    return set("lora_dropout", value);
  }

  /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
  public final B fanInFanOut(boolean value) {
    return set("fan_in_fan_out", value);
  }

  /** Which biases of the base are trained with the adapter; none. */
  public final B bias(LoraConfig.Bias value) {
    return set("bias", value.toField());
  }

  /** Scaling alpha/sqrt(r) instead of alpha/r, arXiv:2312.03732; false. */
  public final B useRslora(boolean value) {
    return set("use_rslora", value);
  }

  /** True: A random, B zero. False: both random, for debugging. */
  public final B initLoraWeights(boolean value) {
    return set("init_lora_weights", value);
  }

  /** How A and B start. */
  public final B initLoraWeights(LoraInit value) {
    return set("init_lora_weights", value.toField());
  }

  /** Alphas, as rankPattern. */
  public final B alphaPattern(Map<String, ? extends Number> value) {
    return set("alpha_pattern", value);
  }

  /** Megatron's parallel layers. Not applied. */
  public final B megatronConfig(Map<String, ?> value) {
    return set("megatron_config", value);
  }

  /** Megatron's module; megatron.core. */
  public final B megatronCore(String value) {
    return set("megatron_core", value);
  }

  /** Token ids whose input embeddings are trained, and those rows of a head tied to them. */
  public final B trainableTokenIndices(List<Integer> value) {
    return set("trainable_token_indices", value);
  }

  /** Token ids whose rows are trained, by the name of an embedding or a head. */
  public final B trainableTokenIndices(Map<String, List<Integer>> value) {
    return set("trainable_token_indices", value);
  }

  /** Options of the loftq initialization: loftq_bits (4 or 8), loftq_iter. */
  public final B loftqConfig(Map<String, ?> value) {
    return set("loftq_config", value);
  }

  /** Options of the eva initialization. */
  public final B evaConfig(EvaConfig value) {
    return set("eva_config", value.values());
  }

  /** Options of the eva initialization, by Python's names. */
  public final B evaConfig(Map<String, ?> value) {
    return set("eva_config", value);
  }

  /** Options of the corda initialization. */
  public final B cordaConfig(CordaConfig value) {
    return set("corda_config", value.values());
  }

  /** Options of the corda initialization, by Python's names. */
  public final B cordaConfig(Map<String, ?> value) {
    return set("corda_config", value);
  }

  /** Options of the lora_ga initialization. */
  public final B loraGaConfig(LoraGAConfig value) {
    return set("lora_ga_config", value.values());
  }

  /** Options of the lora_ga initialization, by Python's names. */
  public final B loraGaConfig(Map<String, ?> value) {
    return set("lora_ga_config", value);
  }

  /** Magnitude and direction apart, arXiv:2402.09353; false. */
  public final B useDora(boolean value) {
    return set("use_dora", value);
  }

  /** VeLoRA: compressed activations in the backward pass, arXiv:2405.17991; null. */
  public final B veloraConfig(VeloraConfig value) {
    return set("velora_config", value.values());
  }

  /** Options of VeLoRA, by Python's names. */
  public final B veloraConfig(Map<String, ?> value) {
    return set("velora_config", value);
  }

  /** Tokens from whose last occurrence in a text on the adapter acts, arXiv:2504.12397; null. */
  public final B aloraInvocationTokens(List<Integer> value) {
    return set("alora_invocation_tokens", value);
  }

  /** QALoRA: neighbouring input features get the same change, arXiv:2309.14717; false. */
  public final B useQalora(boolean value) {
    return set("use_qalora", value);
  }

  /** How many neighbours QALoRA takes together; 16. */
  public final B qaloraGroupSize(int value) {
    return set("qalora_group_size", value);
  }

  /** MonteCLoRA: A is drawn around what is trained; null. */
  public final B montecloraConfig(MontecloraConfig value) {
    return set("monteclora_config", value.values());
  }

  /** Options of MonteCLoRA, by Python's names. */
  public final B montecloraConfig(Map<String, ?> value) {
    return set("monteclora_config", value);
  }

  /**
   * Ranges [first, after the last] of the model's layers, which make a new stack over the same
   * weights, such as [[0, 4], [2, 5]].
   */
  public final B layerReplication(List<List<Integer>> value) {
    return set("layer_replication", value);
  }

  /** Options of this process; never saved. */
  public final B runtimeConfig(Map<String, ?> value) {
    return set("runtime_config", value);
  }

  /** Whether B has a bias; false. */
  public final B loraBias(boolean value) {
    return set("lora_bias", value);
  }

  /** Matrices to adapt that are no layers, such as the weights of experts, by name; null. */
  public final B targetParameters(String... value) {
    return set("target_parameters", Arrays.asList(value));
  }

  /**
   * Block-diagonal A or B: target_modules_bd_a and target_modules_bd_b (parts of names), nblocks,
   * match_strict; null.
   */
  public final B useBdlora(Map<String, ?> value) {
    return set("use_bdlora", value);
  }

  /** Arrow: tokens are routed to other LoRA adapters, arXiv:2405.11157; null. */
  public final B arrowConfig(ArrowConfig value) {
    return set("arrow_config", value.values());
  }

  /** Options of Arrow, by Python's names. */
  public final B arrowConfig(Map<String, ?> value) {
    return set("arrow_config", value);
  }

  /** KaSA: a trained factor for each rank over a truncated weight, arXiv:2412.06071; null. */
  public final B kasaConfig(KasaConfig value) {
    return set("kasa_config", value.values());
  }

  /** Options of KaSA, by Python's names. */
  public final B kasaConfig(Map<String, ?> value) {
    return set("kasa_config", value);
  }

  /**
   * Whether layers that share the weight of the embeddings share their adapter, full copy or
   * tokens; false.
   */
  public final B ensureWeightTying(boolean value) {
    return set("ensure_weight_tying", value);
  }
}
