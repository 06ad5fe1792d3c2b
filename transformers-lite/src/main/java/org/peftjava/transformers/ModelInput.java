package org.peftjava.transformers;

import com.google.common.primitives.Floats;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Everything one forward call of a model takes. The tensors stay the caller's.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens given now, {@code s} tokens so far including those
 * in the cache, {@code e} size of a token embedding.
 *
 * @param inputIds (b, t), int64; or null if embeddings are given
 * @param inputsEmbeds (b, t, e), in place of ids
 * @param attentionMask (b, s), 1 for tokens and 0 for padding; null if nothing is padded
 * @param positionIds (b, t), int64; null for positions counted from the mask
 * @param tokenTypeIds (b, t), int64, the segment of each token, for models that know segments; null
 *     for 0
 * @param labels null for no loss. Of a language model (b, t), int64, the ids that should have been
 *     predicted, unshifted; -100 does not count. Of a token classifier the same with labels. Of a
 *     text classifier (b), int64, or float32 (b) or (b, n) for numbers and for several labels
 * @param startPositions (b), int64, where each answer begins, for question answering
 * @param endPositions (b), int64, where each answer ends; positions beyond the text do not count
 * @param past keys and values of the tokens before, extended by the call; null for none
 * @param seq2seq what the decoder of an encoder-decoder is given, whose encoder gets the rest; null
 *     for the labels, shifted, and for other models
 * @param taskIds (b), int64, the task of each row, for adapters that know tasks; null for none
 * @param inputTypeMask (b, t), int64, what part of which example each token is, for context-aware
 *     prompt tuning; null if all are of one answer
 * @param lossDivisor what the sum of the token losses is divided by; empty for the number of labels
 *     that count (transformers' {@code num_items_in_batch})
 * @param labelSmoothing the share of each label that is shared out among all classes, from 0 to 1;
 *     of labels of which one is right
 * @param embeddingNoise how much noise the embeddings of token ids get: NEFTune's alpha, which a
 *     training loop sets; 0 for none. Encoder-decoders get none, as in transformers 5
 * @param logitsToKeep how many of the last positions get logits; 0 for all
 * @param outputLogits whether logits are wanted beside the loss; without labels they always are
 * @param outputHiddenStates whether the hidden states between layers are wanted
 * @param outputAttentions whether the attention weights are wanted, which costs a slower attention
 */
public record ModelInput(
    @Nullable Tensor inputIds,
    @Nullable Tensor inputsEmbeds,
    @Nullable Tensor attentionMask,
    @Nullable Tensor positionIds,
    @Nullable Tensor tokenTypeIds,
    @Nullable Tensor labels,
    @Nullable Tensor startPositions,
    @Nullable Tensor endPositions,
    @Nullable KvCache past,
    @Nullable Seq2SeqInput seq2seq,
    @Nullable Tensor taskIds,
    @Nullable Tensor inputTypeMask,
    OptionalDouble lossDivisor,
    double labelSmoothing,
    double embeddingNoise,
    int logitsToKeep,
    boolean outputLogits,
    boolean outputHiddenStates,
    boolean outputAttentions) {

  /** Checks what can be checked without the model. */
  public ModelInput {
    if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
      throw new IllegalArgumentException(
          "labelSmoothing is " + labelSmoothing + ". Expected a share from 0 to 1.");
    }
    if (logitsToKeep < 0) {
      throw new IllegalArgumentException(
          "logitsToKeep is "
              + logitsToKeep
              + ". Expected 0 for all positions, or a number of them.");
    }
    if (labels != null && logitsToKeep > 0) {
      throw new IllegalArgumentException(
          "logitsToKeep is "
              + logitsToKeep
              + " and labels are given, but the loss needs every position. Leave one out.");
    }
  }

  /** An empty builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** The input that a batch of host arrays makes on a device; owned by the current scope. */
  public static ModelInput of(TokenBatch batch, Device device) {
    Builder builder = builder().inputIds(Creation.ofLongs(batch.inputIds()).to(device));
    long[][] mask = batch.attentionMask();
    if (Arrays.stream(mask).flatMapToLong(Arrays::stream).anyMatch(value -> value == 0)) {
      builder.attentionMask(Creation.ofLongs(mask).to(device));
    }
    batch.labels().ifPresent(labels -> builder.labels(Creation.ofLongs(labels).to(device)));
    batch.floatLabels().ifPresent(labels -> builder.labels(ofFloats(labels).to(device)));
    batch
        .answerSpans()
        .ifPresent(
            spans ->
                builder
                    .startPositions(column(spans, 0).to(device))
                    .endPositions(column(spans, 1).to(device)));
    batch.tokenTypeIds().ifPresent(ids -> builder.tokenTypeIds(Creation.ofLongs(ids).to(device)));
    batch.taskIds().ifPresent(ids -> builder.taskIds(Creation.ofLongs(ids, ids.length).to(device)));
    return builder.build();
  }

  private static Tensor column(long[][] rows, int index) {
    return Creation.ofLongs(
        Arrays.stream(rows).mapToLong(row -> row[index]).toArray(), rows.length);
  }

  private static Tensor ofFloats(float[][] rows) {
    float[] flat = Floats.concat(rows);
    return Creation.ofFloats(flat, rows.length, flat.length / rows.length);
  }

  /**
   * This input with its tensors on a device: this one if they are there, else with copies that
   * belong to the current scope. Caches stay where they are. Every model does this with what it is
   * given.
   */
  public ModelInput to(Device device) {
    List<@Nullable Tensor> all =
        Arrays.asList(
            inputIds,
            inputsEmbeds,
            attentionMask,
            positionIds,
            tokenTypeIds,
            labels,
            startPositions,
            endPositions,
            taskIds,
            inputTypeMask);
    if ((seq2seq == null || seq2seq.isOn(device))
        && all.stream().allMatch(each -> isOn(each, device))) {
      return this;
    }
    Builder builder = toBuilder();
    builder.inputIds = on(inputIds, device);
    builder.inputsEmbeds = on(inputsEmbeds, device);
    builder.attentionMask = on(attentionMask, device);
    builder.positionIds = on(positionIds, device);
    builder.tokenTypeIds = on(tokenTypeIds, device);
    builder.labels = on(labels, device);
    builder.startPositions = on(startPositions, device);
    builder.endPositions = on(endPositions, device);
    builder.seq2seq = seq2seq == null ? null : seq2seq.to(device);
    builder.taskIds = on(taskIds, device);
    builder.inputTypeMask = on(inputTypeMask, device);
    return builder.build();
  }

  static boolean isOn(@Nullable Tensor tensor, Device device) {
    return tensor == null || tensor.device().equals(device);
  }

  static @Nullable Tensor on(@Nullable Tensor tensor, Device device) {
    return tensor == null ? null : tensor.to(device);
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.inputIds = inputIds;
    builder.inputsEmbeds = inputsEmbeds;
    builder.attentionMask = attentionMask;
    builder.positionIds = positionIds;
    builder.tokenTypeIds = tokenTypeIds;
    builder.labels = labels;
    builder.startPositions = startPositions;
    builder.endPositions = endPositions;
    builder.past = past;
    builder.seq2seq = seq2seq;
    builder.taskIds = taskIds;
    builder.inputTypeMask = inputTypeMask;
    builder.lossDivisor = lossDivisor;
    builder.labelSmoothing = labelSmoothing;
    builder.embeddingNoise = embeddingNoise;
    builder.logitsToKeep = logitsToKeep;
    builder.outputLogits = outputLogits;
    builder.outputHiddenStates = outputHiddenStates;
    builder.outputAttentions = outputAttentions;
    return builder;
  }

  /** The part that concerns the backbone. */
  BackboneInput backboneInput(@Nullable LayerTrace trace) {
    return new BackboneInput(
        inputIds,
        inputsEmbeds,
        attentionMask,
        positionIds,
        tokenTypeIds,
        past,
        embeddingNoise,
        trace);
  }

  /** Builds a {@link ModelInput}; each method sets the component of its name. */
  public static final class Builder {
    private @Nullable Tensor inputIds;
    private @Nullable Tensor inputsEmbeds;
    private @Nullable Tensor attentionMask;
    private @Nullable Tensor positionIds;
    private @Nullable Tensor tokenTypeIds;
    private @Nullable Tensor labels;
    private @Nullable Tensor startPositions;
    private @Nullable Tensor endPositions;
    private @Nullable KvCache past;
    private @Nullable Seq2SeqInput seq2seq;
    private @Nullable Tensor taskIds;
    private @Nullable Tensor inputTypeMask;
    private OptionalDouble lossDivisor = OptionalDouble.empty();
    private double labelSmoothing;
    private double embeddingNoise;
    private int logitsToKeep;
    private boolean outputLogits;
    private boolean outputHiddenStates;
    private boolean outputAttentions;

    private Builder() {}

    /** Token ids (b, t); replaces embeddings. */
    public Builder inputIds(Tensor ids) {
      inputIds = Objects.requireNonNull(ids);
      inputsEmbeds = null;
      return this;
    }

    /** Token embeddings (b, t, e); replaces ids. */
    public Builder inputsEmbeds(Tensor embeds) {
      inputsEmbeds = Objects.requireNonNull(embeds);
      inputIds = null;
      return this;
    }

    /** 1 for tokens and 0 for padding (b, s); null if nothing is padded. */
    public Builder attentionMask(@Nullable Tensor mask) {
      attentionMask = mask;
      return this;
    }

    /** Positions (b, t); null for positions counted from the mask. */
    public Builder positionIds(@Nullable Tensor positions) {
      positionIds = positions;
      return this;
    }

    /** The segment of each token (b, t); null for 0. */
    public Builder tokenTypeIds(@Nullable Tensor types) {
      tokenTypeIds = types;
      return this;
    }

    /** Labels, as the model's task takes them; null for no loss. */
    public Builder labels(@Nullable Tensor values) {
      labels = values;
      return this;
    }

    /** Where each answer begins (b); null for no loss. */
    public Builder startPositions(@Nullable Tensor positions) {
      startPositions = positions;
      return this;
    }

    /** Where each answer ends (b); null for no loss. */
    public Builder endPositions(@Nullable Tensor positions) {
      endPositions = positions;
      return this;
    }

    /** The cache to read and extend; null for none. */
    public Builder past(@Nullable KvCache cache) {
      past = cache;
      return this;
    }

    /** What the decoder of an encoder-decoder is given; null for the labels, shifted. */
    public Builder seq2seq(@Nullable Seq2SeqInput decoder) {
      seq2seq = decoder;
      return this;
    }

    /** The ids (b, t) that the decoder of an encoder-decoder is given, and nothing else. */
    public Builder decoderInputIds(Tensor ids) {
      return seq2seq(Seq2SeqInput.builder().decoderInputIds(ids).build());
    }

    /** The task of each row (b), for adapters that know tasks; null for none. */
    public Builder taskIds(@Nullable Tensor ids) {
      taskIds = ids;
      return this;
    }

    /** What part of which example each token is (b, t), for context-aware prompt tuning. */
    public Builder inputTypeMask(@Nullable Tensor types) {
      inputTypeMask = types;
      return this;
    }

    /** What the sum of the token losses is divided by. */
    public Builder lossDivisor(double divisor) {
      lossDivisor = OptionalDouble.of(divisor);
      return this;
    }

    /** The share of each label that is shared out among all classes. */
    public Builder labelSmoothing(double share) {
      labelSmoothing = share;
      return this;
    }

    /** How much noise the embeddings of token ids get (NEFTune's alpha). */
    public Builder embeddingNoise(double alpha) {
      embeddingNoise = alpha;
      return this;
    }

    /** How many of the last positions get logits; 0 for all. */
    public Builder logitsToKeep(int positions) {
      logitsToKeep = positions;
      return this;
    }

    /** Whether logits are wanted beside the loss. */
    public Builder outputLogits(boolean wanted) {
      outputLogits = wanted;
      return this;
    }

    /** Whether the hidden states between layers are wanted. */
    public Builder outputHiddenStates(boolean wanted) {
      outputHiddenStates = wanted;
      return this;
    }

    /** Whether the attention weights are wanted. */
    public Builder outputAttentions(boolean wanted) {
      outputAttentions = wanted;
      return this;
    }

    /** The input. */
    public ModelInput build() {
      return new ModelInput(
          inputIds,
          inputsEmbeds,
          attentionMask,
          positionIds,
          tokenTypeIds,
          labels,
          startPositions,
          endPositions,
          past,
          seq2seq,
          taskIds,
          inputTypeMask,
          lossDivisor,
          labelSmoothing,
          embeddingNoise,
          logitsToKeep,
          outputLogits,
          outputHiddenStates,
          outputAttentions);
    }
  }
}
