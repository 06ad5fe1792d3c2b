package org.peftjava.peft.plan;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.training.OptimizerNames;

/**
 * Sizes of a language model with its adapter, counted on a module tree without weights.
 *
 * <p>Letters: {@code h} hidden size, {@code q} length of all queries of a token, {@code f} what a
 * feed-forward block is wide.
 */
final class ModelSizes {
  private static final int BLOCK = 64;
  private static final int NESTED_BLOCK = 256;
  private static final Pattern LAYER = Pattern.compile("(?:^|.*\\.)(?:layers|h)\\.(\\d+)\\.(.+)");
  private static final Set<String> LAST_PROJECTIONS =
      Set.of("o_proj", "out_proj", "c_proj", "dense", "dense_4h_to_h", "fc2", "down_proj");

  /** Bytes of quantized weights with their scales, or of the dense weights in their place. */
  final long weights;

  /** Bytes of all other parameters: token embedding, head, norms, biases. */
  final long embeddings;

  /** Numbers that are trained. */
  final long trained;

  /** Bytes of these and of the optimizer's state. */
  final long adapter;

  /** Bytes of their gradients. */
  final long gradients;

  /** Numbers that one layer keeps for the backward pass, a token. */
  final long kept;

  /** The widest input or output of a layer with an adapter, and of a feed-forward block. */
  final long widest;

  /** Sum of the first projections of a feed-forward block: f, or 2f with a gate. */
  final long fed;

  /** Elements of the largest linear weight of a layer. */
  final long largest;

  /** Adapters' small results, numbers a token and layer. */
  final long low;

  private ModelSizes(Counter counter, long trained, long adapter, long gradients, int layers) {
    weights = counter.weights;
    embeddings = counter.embeddings;
    this.trained = trained;
    this.adapter = adapter;
    this.gradients = gradients;
    kept = counter.kept / layers;
    widest = counter.widest;
    fed = counter.fed / layers;
    largest = counter.largest;
    low = counter.low / layers;
  }

  static ModelSizes of(PretrainedConfig config, StepOptions options) {
    try (CausalLM base = AutoModelForCausalLM.withoutWeights(config, options.dtype())) {
      Counter counter = new Counter(config, options);
      counter.count(base);
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(
              base,
              options.adapter(),
              o -> o.lowCpuMemUsage(true).autocastAdapterDtype(options.autocastAdapterDtype()))) {
        long trained = 0;
        long bytes = 0;
        long gradients = 0;
        for (Parameter parameter : model.module().namedParameters().values()) {
          if (parameter.requiresGrad()) {
            trained += parameter.numel();
            bytes += trainedBytes(parameter, options.optim());
            gradients += parameter.numel() * parameter.dtype().byteSize();
            counter.low += parameter.shape().rank() == 2 ? smaller(parameter) : 0;
          }
        }
        counter.low /= 2; // A and B have the same r
        return new ModelSizes(counter, trained, bytes, gradients, config.numHiddenLayers());
      }
    }
  }

  private static long smaller(Parameter parameter) {
    return Math.min(parameter.shape().get(0), parameter.shape().get(1));
  }

  /** Weight and state. */
  private static long trainedBytes(Parameter parameter, OptimizerNames optim) {
    long numel = parameter.numel();
    int size = parameter.dtype().byteSize();
    long state =
        switch (optim) {
          case SGD -> 0;
          case ADAMW_TORCH -> 2L * numel * size;
          case ADAMW_8BIT, ADAMW_BNB_8BIT, PAGED_ADAMW_8BIT ->
              numel < AdamW8bit.MIN_8BIT_SIZE
                  ? 8 * numel
                  : 2 * numel + 8 * blocks(numel, NESTED_BLOCK);
        };
    return numel * size + state;
  }

  private static long blocks(long numel, int size) {
    return (numel + size - 1) / size;
  }

  /** Adds up the layers of a model. */
  private static final class Counter {
    private final PretrainedConfig config;
    private final StepOptions options;
    private long weights;
    private long embeddings;
    private long kept;
    private long widest;
    private long fed;
    private long largest;
    private long low;

    Counter(PretrainedConfig config, StepOptions options) {
      this.config = config;
      this.options = options;
      kept = 2L * config.hiddenSize() * config.numHiddenLayers();
    }

    void count(CausalLM model) {
      Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
      String head = model.architecture().roles().outputEmbedding();
      List<String> skipped =
          options
              .quantizationConfig()
              .flatMap(BitsAndBytesConfig::llmInt8SkipModules)
              .orElse(List.of(head));
      for (Map.Entry<String, Module> entry : model.namedModules().entrySet()) {
        Module module = entry.getValue();
        Parameter weight = module.ownParameters().get("weight");
        if (module instanceof LinearLayer layer && weight != null && !entry.getKey().equals(head)) {
          projection(entry.getKey(), layer);
          boolean quantized =
              skipped.stream()
                  .noneMatch(s -> entry.getKey().equals(s) || entry.getKey().endsWith("." + s));
          seen.add(weight);
          weights += quantized ? bytes(weight) : dense(weight);
        } else if (isHeadNorm(entry.getKey())) {
          kept += module.ownParameters().isEmpty() ? 0 : headNorm(entry.getKey());
        } else if (isSandwichNorm(entry.getKey())) {
          kept += config.hiddenSize();
        }
      }
      for (Parameter parameter : model.namedParameters().values()) {
        if (seen.add(parameter)) {
          embeddings += dense(parameter);
        }
      }
    }

    private void projection(String path, LinearLayer layer) {
      Matcher matcher = LAYER.matcher(path);
      if (!matcher.matches()) {
        return;
      }
      String name = matcher.group(2);
      boolean attention = name.contains("attn") || name.contains("attention");
      boolean last = LAST_PROJECTIONS.contains(name.substring(name.lastIndexOf('.') + 1));
      largest = Math.max(largest, layer.inFeatures() * layer.outFeatures());
      widest = Math.max(widest, Math.max(layer.inFeatures(), layer.outFeatures()));
      if (!last) {
        kept += layer.outFeatures(); // queries, keys and values; gate and up
        fed += attention ? 0 : layer.outFeatures();
      } else if (attention) {
        kept += layer.inFeatures(); // attention's result
      }
    }

    /** Norms of each query or key keep what they norm. */
    private static boolean isHeadNorm(String path) {
      return path.endsWith(".q_norm") || path.endsWith(".k_norm");
    }

    private long headNorm(String path) {
      long heads =
          path.endsWith(".q_norm")
              ? config.json().getInt("num_attention_heads")
              : config.json().getInt("num_key_value_heads");
      long size =
          config
              .json()
              .getInt(
                  "head_dim", config.hiddenSize() / config.json().getInt("num_attention_heads"));
      return heads * size;
    }

    /** A norm behind a block, in the models that have both. */
    private boolean isSandwichNorm(String path) {
      return config.modelType().startsWith("gemma")
          && (path.endsWith(".post_attention_layernorm")
              || path.endsWith(".post_feedforward_layernorm"));
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
      long scales = blocks(numel, BLOCK);
      return (numel + 1) / 2
          + (quantization.bnb4bitUseDoubleQuant()
              ? scales + 4 * blocks(scales, NESTED_BLOCK)
              : 4 * scales);
    }
  }
}
