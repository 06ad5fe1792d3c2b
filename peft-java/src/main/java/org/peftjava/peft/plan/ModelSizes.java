package org.peftjava.peft.plan;

import java.util.List;
import org.peftjava.peft.PeftModel;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.training.OptimizerNames;

/**
 * Sizes of a model with its adapter, counted on a module tree without weights.
 *
 * <p>Letters: {@code h} hidden size, {@code q} length of all queries of a token, {@code f} what a
 * feed-forward block is wide.
 */
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

  /** Bytes of their gradients. */
  final long gradients;

  /** The layers: one stack, or an encoder's and a decoder's. */
  final List<StackSizes> stacks;

  /** Whether the model writes text: it has logits of the vocabulary. */
  final boolean writes;

  /** The widest input or output of a layer with an adapter, and of a feed-forward block. */
  final long widest;

  /** Sum of the first projections of a feed-forward block: f, or 2f with a gate. */
  final long fed;

  /** Elements of the largest linear weight of a layer. */
  final long largest;

  private ModelSizes(LayerCounter counter, long trained, long adapter, long gradients) {
    weights = counter.weights();
    embeddings = counter.embeddings();
    this.trained = trained;
    this.adapter = adapter;
    this.gradients = gradients;
    stacks = counter.stacks();
    writes = counter.writes();
    widest = counter.widest();
    fed = counter.fed();
    largest = counter.largest();
  }

  static ModelSizes of(PretrainedConfig config, StepOptions options) {
    try (PretrainedModel base =
        PlannedModel.withoutWeights(config, options.adapter().taskType(), options.dtype())) {
      LayerCounter counter = new LayerCounter(config, options, base);
      try (PeftModel adapted = PlannedModel.adapted(base, options)) {
        long trained = 0;
        long bytes = 0;
        long gradients = 0;
        for (Parameter parameter : base.module().namedParameters().values()) {
          if (parameter.requiresGrad()) {
            trained += parameter.numel();
            bytes += trainedBytes(parameter, options.optim());
            gradients += parameter.numel() * parameter.dtype().byteSize();
            counter.adapter(parameter.shape().rank() == 2 ? smaller(parameter) : 0);
          }
        }
        return new ModelSizes(counter, trained, bytes, gradients);
      }
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
