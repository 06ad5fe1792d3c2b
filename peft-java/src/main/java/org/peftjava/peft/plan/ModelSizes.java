package org.peftjava.peft.plan;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.peftjava.peft.PeftModel;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.PagedAdamW8bit;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.training.OptimizerNames;

/** Sizes of a model with its adapter, counted on a module tree without weights. */
final class ModelSizes {
  static final int NESTED_BLOCK = 256;

  /** Bytes of quantized weights with their scales, or of the dense weights in their place. */
  final long weights;

  /** Bytes of all other parameters: token embedding, head, norms, biases. */
  final long embeddings;

  /** Numbers that are trained. */
  final long trained;

  /** Bytes of these and of the optimizer's state. */
  final long adapter;

  /** Bytes of the state that a paged optimizer lets leave a card. */
  final long pageable;

  /** Bytes of the gradients of what is trained in layers. */
  final long gradients;

  /** Of what is trained outside of them: those of a head, which exist from the start. */
  final long firstGradients;

  /** Those of embeddings, which exist at the end. */
  final long lastGradients;

  /** The layers: one stack, or an encoder's and a decoder's. */
  final List<StackSizes> stacks;

  /** Whether the model writes text: it has logits of the vocabulary. */
  final boolean writes;

  /** Whether the logits of all tokens are held, because something of the head is trained. */
  final boolean holdsLogits;

  /** The widest input or output of a layer's projections. */
  final long widest;

  /** Elements of the largest linear weight of a layer. */
  final long largest;

  final FeedForward feedForward;
  final long hidden;
  final long vocabulary;

  /** Numbers of one head of attention. */
  final long headSize;

  private ModelSizes(
      PretrainedConfig config, StepKernels kernels, LayerCounter counter, Trained adapter) {
    weights = counter.weights();
    embeddings = counter.embeddings();
    trained = adapter.numbers;
    this.adapter = adapter.bytes;
    pageable = adapter.pageable;
    gradients = adapter.gradients;
    firstGradients = adapter.firstGradients;
    lastGradients = adapter.lastGradients;
    stacks = counter.stacks();
    writes = counter.writes();
    holdsLogits = writes && counter.holdsLogits(adapter.paths);
    widest = counter.widest();
    largest = counter.largest();
    feedForward = counter.feedForward(adapter.paths);
    hidden = config.hiddenSize();
    vocabulary = writes ? config.vocabSize() : 0;
    headSize = new AttentionSizes(config, kernels).headSize();
  }

  /** What is trained. */
  private static final class Trained {
    private final Set<String> paths = new TreeSet<>();
    private long numbers;
    private long bytes;
    private long pageable;
    private long gradients;
    private long firstGradients;
    private long lastGradients;
  }

  static ModelSizes of(PretrainedConfig config, StepOptions options) {
    StepKernels kernels = StepKernels.of(options);
    try (PretrainedModel base =
        PlannedModel.withoutWeights(config, options.adapter().taskType(), options.dtype())) {
      LayerCounter counter = new LayerCounter(config, options, kernels, base);
      try (PeftModel adapted = PlannedModel.adapted(base, options)) {
        Trained trained = new Trained();
        String embedding = base.architecture().roles().inputEmbedding();
        base.module()
            .namedParameters()
            .forEach(
                (path, parameter) -> {
                  if (parameter.requiresGrad()) {
                    add(trained, path, parameter, options.optim(), embedding);
                    counter.adapter(parameter);
                  }
                });
        counter.inputs(trained.paths);
        return new ModelSizes(config, kernels, counter, trained);
      }
    }
  }

  private static void add(
      Trained trained, String path, Parameter parameter, OptimizerNames optim, String embedding) {
    long gradient = parameter.numel() * parameter.dtype().byteSize();
    trained.paths.add(path);
    trained.numbers += parameter.numel();
    trained.bytes += trainedBytes(parameter, optim);
    trained.pageable += pageableBytes(parameter.numel(), optim);
    if (LayerNames.layer(path).isPresent()) {
      trained.gradients += gradient;
    } else if (path.contains(embedding + ".")) {
      trained.lastGradients += gradient;
    } else {
      trained.firstGradients += gradient;
    }
  }

  /** Of all stacks. */
  long layers() {
    return stacks.stream().mapToLong(StackSizes::layers).sum();
  }

  /** The stack whose hidden states the loss is computed from. */
  StackSizes last() {
    return stacks.get(stacks.size() - 1);
  }

  /** Weight and state. */
  private static long trainedBytes(Parameter parameter, OptimizerNames optim) {
    long numel = parameter.numel();
    int size = parameter.dtype().byteSize();
    long state =
        switch (optim) {
          case SGD -> 0;
          case ADAMW_TORCH, ADAMW_TORCH_FUSED -> 2L * numel * size;
          case PAGED_ADAMW_32BIT -> 8 * numel;
          case ADAGRAD, RMSPROP -> 4 * numel;
          case ADAFACTOR -> 4 * factors(parameter.shape());
          case ADAMW_8BIT, ADAMW_BNB_8BIT, PAGED_ADAMW_8BIT ->
              numel < AdamW8bit.MIN_8BIT_SIZE
                  ? 8 * numel
                  : 2 * numel + 8 * blocks(numel, NESTED_BLOCK);
        };
    return numel * size + state;
  }

  /** What a paged optimizer has in managed memory: moments, without the scales of codes. */
  private static long pageableBytes(long numel, OptimizerNames optim) {
    if (numel < PagedAdamW8bit.MIN_PAGED_SIZE) {
      return 0;
    }
    return switch (optim) {
      case PAGED_ADAMW_8BIT -> 2 * numel;
      case PAGED_ADAMW_32BIT -> 8 * numel;
      default -> 0;
    };
  }

  /** Numbers that Adafactor keeps: one for each row and column of the last two dimensions. */
  private static long factors(Shape shape) {
    long numel = shape.numel();
    int rank = shape.rank();
    return rank < 2 ? numel : numel / shape.get(rank - 1) + numel / shape.get(rank - 2);
  }

  static long blocks(long numel, int size) {
    return (numel + size - 1) / size;
  }
}
