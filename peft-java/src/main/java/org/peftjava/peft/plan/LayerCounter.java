package org.peftjava.peft.plan;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.config.PretrainedConfig;

/** Adds up the layers of a model, and what its adapter adds to them. */
final class LayerCounter {
  private static final int BLOCK = 64;

  /** Bytes of a number of an adapter's small product on a card: six parts of bfloat16. */
  private static final int CARD_LOW = 12;

  private final PretrainedConfig config;
  private final StepOptions options;
  private final StepKernels kernels;
  private final AttentionSizes attention;
  private final Stack first = new Stack();
  private final Stack decoder = new Stack();
  private final List<Projection> projections = new ArrayList<>();
  private final boolean pair;
  private final boolean writes;
  private final String head;
  private final Set<String> activations = new TreeSet<>();
  private boolean headHasBias;
  private boolean rmsNorms;
  private long weights;
  private long embeddings;
  private long widest;
  private long inner;
  private long fed;
  private long largest;
  private long low;

  /** What is added up for one stack. */
  private static final class Stack {
    private long layers;
    private long kept;
    private long crossKept;
    private long keptInputs;
  }

  /** A linear layer of a stack. */
  private record Projection(Stack stack, String path, long in, long out) {
    private boolean isAttention() {
      return LayerNames.isAttention(path);
    }

    private boolean isLast() {
      return LayerNames.isLast(path);
    }

    /** The layer and block that it is in. */
    private String block() {
      return LayerNames.layer(path).orElse(0) + (isAttention() ? " attention" : "");
    }
  }

  LayerCounter(
      PretrainedConfig config, StepOptions options, StepKernels kernels, PretrainedModel model) {
    this.config = config;
    this.options = options;
    this.kernels = kernels;
    attention = new AttentionSizes(config, kernels);
    pair = model instanceof Seq2SeqLM;
    writes = pair || model instanceof CausalLM;
    head = model.architecture().roles().outputEmbedding();
    count(model);
    first.kept += 2L * config.hiddenSize() * first.layers;
    decoder.kept += 3L * config.hiddenSize() * decoder.layers;
    if (rmsNorms && kernels.normsWide(options.dtype())) {
      int more = DType.FLOAT32.byteSize() - options.dtype().byteSize();
      first.keptInputs += 2L * config.hiddenSize() * first.layers * more;
    }
  }

  private void count(PretrainedModel model) {
    Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
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
      headHasBias |= path.equals(head) && module.ownParameters().containsKey("bias");
      rmsNorms |= module instanceof RmsNorm;
      if (module instanceof Activation) {
        activations.add(module.toString());
      }
      long layers = LayerNames.layer(path).orElse(-1) + 1;
      if (layers > 0) {
        Stack stack = pair && path.contains("decoder.") ? decoder : first;
        stack.layers = Math.max(stack.layers, layers);
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
      Projection projection = new Projection(stack, path, layer.inFeatures(), layer.outFeatures());
      projections.add(projection);
      keep(projection);
    } else if (LayerNames.isHeadNorm(path)) {
      stack.kept += module.ownParameters().isEmpty() ? 0 : attention.headNorm(path);
    } else if (LayerNames.isSandwichNorm(path, config)) {
      stack.kept += config.hiddenSize();
    }
  }

  private void keep(Projection layer) {
    largest = Math.max(largest, layer.in * layer.out);
    widest = Math.max(widest, Math.max(layer.in, layer.out));
    if (layer.isLast()) {
      layer.stack.kept += layer.isAttention() ? layer.in : 0; // attention's result
      inner = layer.isAttention() ? inner : Math.max(inner, layer.in);
    } else if (LayerNames.isCross(layer.path)) {
      layer.stack.crossKept += layer.out;
    } else {
      layer.stack.kept += layer.out; // queries, keys and values; gate and up
      fed += layer.isAttention() ? 0 : layer.out;
    }
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

  /** Counts a trained matrix, and what the layer that it changes keeps for it. */
  void adapter(Parameter matrix) {
    low += matrix.shape().rank() == 2 ? Math.min(matrix.shape().get(0), matrix.shape().get(1)) : 0;
  }

  /**
   * Counts the inputs that the layers with trained parameters keep and that would not be kept
   * otherwise.
   *
   * @param trained paths of all trained parameters
   */
  void inputs(Set<String> trained) {
    Set<String> blocks = new TreeSet<>();
    for (Projection layer : projections) {
      if (isTrained(layer.path, trained) && !LayerNames.isCross(layer.path)) {
        boolean once =
            blocks.add((layer.stack == decoder ? "decoder " : "") + layer.block() + layer.isLast());
        layer.stack.keptInputs += keptInput(layer, once);
      }
    }
  }

  /** Bytes of a layer's input that are kept for its adapter. */
  private long keptInput(Projection layer, boolean firstOfItsBlock) {
    int size = options.dtype().byteSize();
    boolean own = kernels.dropout > 0 || kernels.adapterType != options.dtype();
    return switch (kernels.update) {
      case FUSED -> 0; // made again from what is kept
      // the same, but for the output of a norm that libtorch computes
      case ON_CARD -> rmsNorms && firstOfItsBlock && !layer.isLast() ? layer.in * size : 0;
      case COMPOSED -> {
        if (own) {
          yield layer.in * kernels.adapterType.byteSize(); // dropped or cast for this layer alone
        }
        boolean keptAnyway = layer.isLast() && layer.isAttention();
        yield firstOfItsBlock && !keptAnyway ? layer.in * size : 0;
      }
    };
  }

  private static boolean isTrained(String path, Set<String> trained) {
    return trained.stream().anyMatch(name -> name.startsWith(path + "."));
  }

  /** Whether the logits of all tokens are held: the head is trained, adapted or has a bias. */
  boolean holdsLogits(Set<String> trained) {
    return headHasBias || isTrained(head, trained);
  }

  /** Whether the last projections of feed-forward blocks are adapted. */
  boolean adaptsLast(Set<String> trained) {
    return projections.stream()
        .anyMatch(p -> p.isLast() && !p.isAttention() && isTrained(p.path, trained));
  }

  /** Whether the product of gate and activation is one pass. */
  private boolean gatesInOnePass() {
    return (kernels.onKernels || kernels.onCard)
        && activations.stream().allMatch(name -> name.equals("silu") || name.equals("swish"));
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
        attention.heads(),
        stack.kept / stack.layers,
        stack.crossKept / stack.layers,
        stack.keptInputs / stack.layers,
        each * (kernels.update == StepKernels.Update.ON_CARD ? CARD_LOW : DType.FLOAT32.byteSize()),
        attention.kind(),
        config.modelType().equals("bloom") || config.json().has("relative_attention_num_buckets"));
  }

  /** Feed-forward blocks: their gradients at the moment at which most exist. */
  FeedForward feedForward(Set<String> trained) {
    boolean gated = fed / (first.layers + decoder.layers) > inner;
    return new FeedForward(inner, gated, gatesInOnePass(), adaptsLast(trained));
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

  long largest() {
    return largest;
  }
}
