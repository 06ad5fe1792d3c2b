package org.peftjava.peft.plan;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.peftjava.peft.plan.StackSizes.AttentionKind;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.config.PretrainedConfig;

/** Adds up the layers of a model without an adapter. */
final class LayerCounter {
  private static final int BLOCK = 64;
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

  private final PretrainedConfig config;
  private final StepOptions options;
  private final Stack first = new Stack();
  private final Stack decoder = new Stack();
  private final boolean pair;
  private final boolean writes;
  private long weights;
  private long embeddings;
  private long widest;
  private long fed;
  private long largest;
  private long low;

  /** What is added up for one stack. */
  private static final class Stack {
    private long layers;
    private long kept;
    private long crossKept;
  }

  LayerCounter(PretrainedConfig config, StepOptions options, PretrainedModel model) {
    this.config = config;
    this.options = options;
    pair = model instanceof Seq2SeqLM;
    writes = pair || model instanceof CausalLM;
    count(model);
    first.kept += 2L * config.hiddenSize() * first.layers;
    decoder.kept += 3L * config.hiddenSize() * decoder.layers;
  }

  private void count(PretrainedModel model) {
    Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    String head = model.architecture().roles().outputEmbedding();
    List<String> skipped =
        options
            .quantizationConfig()
            .flatMap(BitsAndBytesConfig::llmInt8SkipModules)
            .orElse(List.of(head));
    for (Map.Entry<String, Module> entry : model.module().namedModules().entrySet()) {
      Module module = entry.getValue();
      String path = entry.getKey();
      Parameter weight = module.ownParameters().get("weight");
      boolean isHead = !path.contains(".");
      if (module instanceof LinearLayer && weight != null && !isHead) {
        boolean quantized =
            skipped.stream().noneMatch(s -> path.equals(s) || path.endsWith("." + s));
        seen.add(weight);
        weights += quantized ? bytes(weight) : dense(weight);
      }
      Matcher matcher = LAYER.matcher(path);
      if (matcher.matches()) {
        Stack stack = pair && path.contains("decoder.") ? decoder : first;
        stack.layers = Math.max(stack.layers, Long.parseLong(matcher.group(1)) + 1);
        keep(stack, path, module);
      }
    }
    for (Parameter parameter : model.module().namedParameters().values()) {
      if (seen.add(parameter)) {
        embeddings += dense(parameter);
      }
    }
  }

  private void keep(Stack stack, String path, Module module) {
    if (module instanceof LinearLayer layer) {
      projection(stack, path, layer);
    } else if (isHeadNorm(path)) {
      stack.kept += module.ownParameters().isEmpty() ? 0 : headNorm(path);
    } else if (isSandwichNorm(path)) {
      stack.kept += config.hiddenSize();
    }
  }

  private void projection(Stack stack, String path, LinearLayer layer) {
    boolean attention = ATTENTION.matcher(path).find();
    largest = Math.max(largest, layer.inFeatures() * layer.outFeatures());
    widest = Math.max(widest, Math.max(layer.inFeatures(), layer.outFeatures()));
    if (LAST_PROJECTION.matcher(path).matches()) {
      stack.kept += attention ? layer.inFeatures() : 0; // attention's result
    } else if (CROSS.matcher(path).matches()) {
      stack.crossKept += layer.outFeatures();
    } else {
      stack.kept += layer.outFeatures(); // queries, keys and values; gate and up
      fed += attention ? 0 : layer.outFeatures();
    }
  }

  /** Norms of each query or key keep what they norm. */
  private static boolean isHeadNorm(String path) {
    return path.endsWith(".q_norm") || path.endsWith(".k_norm");
  }

  private long headNorm(String path) {
    long heads = path.endsWith(".q_norm") ? heads() : config.json().getInt("num_key_value_heads");
    return heads * config.json().getInt("head_dim", (int) (config.hiddenSize() / heads()));
  }

  private long heads() {
    for (String name :
        List.of(
            "num_attention_heads", "n_head", "num_heads", "n_heads", "encoder_attention_heads")) {
      if (config.json().has(name)) {
        return config.json().getInt(name);
      }
    }
    return 1;
  }

  /** A norm behind a block, in the models that have both. */
  private boolean isSandwichNorm(String path) {
    return config.modelType().startsWith("gemma")
        && (path.endsWith(".post_attention_layernorm")
            || path.endsWith(".post_feedforward_layernorm"));
  }

  private AttentionKind attention() {
    if (config.json().findDouble("attn_logit_softcapping").orElse(0) > 0) {
      return AttentionKind.BOUNDED;
    }
    if (config.json().getBoolean("relative_attention", false)) {
      return AttentionKind.DROPPED; // DeBERTa: what is added to the scores has a gradient
    }
    if (NativeKernels.available()) {
      return AttentionKind.FUSED; // as on cards, dropout included
    }
    for (String name :
        List.of(
            "attention_dropout", "attn_pdrop", "attention_probs_dropout_prob", "dropout_rate")) {
      if (config.json().findDouble(name).orElse(0) > 0) {
        return AttentionKind.DROPPED;
      }
    }
    return AttentionKind.FUSED;
  }

  private long dense(Parameter parameter) {
    return parameter.numel() * options.dtype().byteSize();
  }

  private long bytes(Parameter weight) {
    if (options.quantizationConfig().isEmpty()) {
      return dense(weight);
    }
    BitsAndBytesConfig quantization = options.quantizationConfig().get();
    long numel = weight.numel();
    if (quantization.loadIn8bit()) {
      return numel + (long) DType.FLOAT32.byteSize() * weight.shape().get(0);
    }
    long scales = ModelSizes.blocks(numel, BLOCK);
    return (numel + 1) / 2
        + (quantization.bnb4bitUseDoubleQuant()
            ? scales + 4 * ModelSizes.blocks(scales, ModelSizes.NESTED_BLOCK)
            : 4 * scales);
  }

  /** A trained matrix of this rank, of two of an adapter. */
  void adapter(long rank) {
    low += rank;
  }

  List<StackSizes> stacks() {
    long layers = first.layers + decoder.layers;
    long each = low / 2 / layers;
    StackSizes main = sizes(first, false, each);
    return pair ? List.of(main, sizes(decoder, true, each)) : List.of(main);
  }

  private StackSizes sizes(Stack stack, boolean isDecoder, long each) {
    return new StackSizes(
        stack.layers,
        isDecoder,
        heads(),
        stack.kept / stack.layers,
        stack.crossKept / stack.layers,
        each,
        attention(),
        config.modelType().equals("bloom") || config.json().has("relative_attention_num_buckets"));
  }

  boolean writes() {
    return writes;
  }

  long weights() {
    return weights;
  }

  long embeddings() {
    return embeddings;
  }

  long widest() {
    return widest;
  }

  /** A layer's. */
  long fed() {
    return fed / (first.layers + decoder.layers);
  }

  long largest() {
    return largest;
  }
}
