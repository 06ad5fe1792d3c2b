package org.peftjava.peft.plan;

import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * The memory that a training step of an adapter on a model takes at its peak, part by part, from
 * the model's config alone: a decoder's that writes text, an encoder's that judges texts, or an
 * encoder's and a decoder's.
 *
 * <p>{@code weights + embeddings + adapter + T (L s h + a)} with gradient checkpointing, {@code T L
 * a} without, and what exists for the moment: the gradients of one feed-forward block, or the
 * logits of some rows, whichever is more, with what the kernels of the device keep for themselves;
 * {@code a} grows with T where attention's scores are kept, for their bound on cards (Gemma 2; our
 * kernel on the CPU keeps none), or for dropout where that kernel is not built; what T5 and BLOOM
 * add to all layers' scores comes once. Letters: {@code T} tokens, {@code L} layers, {@code h}
 * hidden size, {@code s} bytes of a number of the hidden states, {@code a} bytes that a layer keeps
 * a token. Tests hold it within 10 % of measured peaks.
 *
 * @param weights bytes of the layers' linear weights, as they are stored
 * @param embeddings token embedding, head, norms and biases
 * @param adapter trained weights, the optimizer's state, and the gradients that exist at the peak
 * @param activations what all layers keep for the backward pass
 * @param loss the gradient of the hidden states, logits that stay in memory, and by how much other
 *     logits exceed the temporaries
 * @param temporaries of one layer's backward pass, and the CPU kernels' own room
 * @param trainedParameters numbers that are trained
 * @param pageable bytes of {@code adapter} that need not stay on a card: state of a paged
 *     optimizer, which the driver moves to the host when the card is full. The parts and their
 *     total are as if it stayed: what must move costs time in each step
 */
public record MemoryPlan(
    long weights,
    long embeddings,
    long adapter,
    long activations,
    long loss,
    long temporaries,
    long trainedParameters,
    long pageable) {
  /** Rows whose logits exist at one time. */
  static final long LOSS_ROWS = 256;

  /** A card's memory that no tensor gets: the driver's context and the libraries' workspaces. */
  public static final long CUDA_CONTEXT = 800_000_000;

  /** What a model of this architecture is trained for, unless the adapter says otherwise. */
  public static TaskType defaultTask(PretrainedConfig config) {
    return PlannedModel.defaultTask(config);
  }

  /** Plans a step. */
  public static MemoryPlan of(PretrainedConfig config, StepOptions options) {
    return of(ModelSizes.of(config, options), options);
  }

  static MemoryPlan of(ModelSizes sizes, StepOptions options) {
    StepPeak peak = StepPeak.of(sizes, options);
    return new MemoryPlan(
        sizes.weights,
        sizes.embeddings,
        sizes.adapter + peak.gradients(),
        peak.activations(),
        peak.loss(),
        peak.temporaries(),
        sizes.trained,
        options.device().isCuda() ? sizes.pageable : 0);
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
