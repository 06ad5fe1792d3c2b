package org.peftjava.peft.plan;

import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * The memory that a training step of an adapter on a model takes at its peak, part by part, from
 * the model's config alone: a decoder's that writes text, an encoder's that judges texts, or an
 * encoder's and a decoder's.
 *
 * <p>{@code weights + embeddings + adapter + T (L s h + a)} with gradient checkpointing, {@code T L
 * a} without, and what one layer's backward pass and the loss need for the moment; {@code a} grows
 * with T where attention's scores are kept, for their bound on cards (Gemma 2; our kernel on the
 * CPU keeps none), or for dropout where that kernel is not built; what T5 and BLOOM add to all
 * layers' scores comes once. Letters: {@code T} tokens, {@code L} layers, {@code h} hidden size,
 * {@code s} bytes of a number of the hidden states, {@code a} bytes that a layer keeps a token.
 * Tests hold it within 13 % of measured peaks.
 *
 * @param weights bytes of the layers' linear weights, as they are stored
 * @param embeddings token embedding, head, norms and biases
 * @param adapter trained weights, the optimizer's state, and the gradients that exist at the peak
 * @param activations what all layers keep for the backward pass
 * @param loss logits of some rows, and the gradient of the hidden states
 * @param temporaries of one layer's backward pass
 * @param trainedParameters numbers that are trained
 */
public record MemoryPlan(
    long weights,
    long embeddings,
    long adapter,
    long activations,
    long loss,
    long temporaries,
    long trainedParameters) {
  /** Rows whose logits exist at one time. */
  private static final long LOSS_ROWS = 256;

  /** A card's memory that no tensor gets: the driver's context and the libraries' workspaces. */
  public static final long CUDA_CONTEXT = 800_000_000;

  /** What a model of this architecture is trained for, unless the adapter says otherwise. */
  public static TaskType defaultTask(PretrainedConfig config) {
    return PlannedModel.defaultTask(config);
  }

  /** Plans a step. */
  public static MemoryPlan of(PretrainedConfig config, StepOptions options) {
    return of(ModelSizes.of(config, options), config, options);
  }

  static MemoryPlan of(ModelSizes sizes, PretrainedConfig config, StepOptions options) {
    long size = options.dtype().byteSize();
    long hidden = config.hiddenSize();
    long activations = 0;
    long states = 0;
    long largestLayer = 0;
    long scores = 0;
    for (StackSizes stack : sizes.stacks) {
      long layer = stack.layerBytes(options);
      long input = stack.tokens(options) * hidden * size;
      activations += stack.layers() * (options.gradientCheckpointing() ? input : layer);
      states += input + stack.biasBytes(options);
      largestLayer = Math.max(largestLayer, layer);
      scores = Math.max(scores, stack.scoreTemporaries(options));
    }
    long kept = activations + states + (options.gradientCheckpointing() ? largestLayer : 0);
    long loss = loss(sizes, config, options);
    long temporaries = Math.max(temporaries(sizes, hidden, options), scores);
    // Gradients grow while what is kept shrinks, from the last layer to the first.
    long gradients =
        Math.max(sizes.gradients / sizes.layers(), sizes.gradients - kept - loss - temporaries);
    return new MemoryPlan(
        sizes.weights,
        sizes.embeddings,
        sizes.adapter + gradients,
        kept,
        loss,
        temporaries,
        sizes.trained);
  }

  /** Logits of some rows of a language model; the gradient of the hidden states. */
  private static long loss(ModelSizes sizes, PretrainedConfig config, StepOptions options) {
    long size = options.dtype().byteSize();
    long tokens = sizes.last().tokens(options);
    long logits = sizes.writes ? Math.min(LOSS_ROWS, tokens) * config.vocabSize() * size : 0;
    return logits + tokens * config.hiddenSize() * size;
  }

  /** Gradients of a feed-forward block, float32 copies in 16-bit models, a weight made dense. */
  private static long temporaries(ModelSizes sizes, long hidden, StepOptions options) {
    long size = options.dtype().byteSize();
    boolean half = options.dtype().isHalfPrecision();
    boolean gated = sizes.fed > sizes.widest;
    long block = ((gated ? 3 * sizes.fed / 2 : 2 * sizes.fed) + 2 * hidden) * size;
    long wide = half ? 2 * sizes.widest * DType.FLOAT32.byteSize() : 0;
    long dense =
        options
            .quantizationConfig()
            .map(q -> sizes.largest * (q.loadIn8bit() ? size : q.bnb4bitComputeDtype().byteSize()))
            .orElse(0L);
    long tokens = sizes.stacks.stream().mapToLong(stack -> stack.tokens(options)).max().orElse(0);
    return tokens * (block + wide) + dense;
  }

  /** Bytes of all parts, without a card's context. */
  public long total() {
    return weights + embeddings + adapter + activations + loss + temporaries;
  }

  /** The parts by name, in order. */
  public Map<String, Long> parts() {
    Map<String, Long> parts = new LinkedHashMap<>();
    parts.put("weights", weights);
    parts.put("embeddings and head", embeddings);
    parts.put("adapter and optimizer", adapter);
    parts.put("activations", activations);
    parts.put("loss", loss);
    parts.put("temporaries", temporaries);
    return parts;
  }
}
