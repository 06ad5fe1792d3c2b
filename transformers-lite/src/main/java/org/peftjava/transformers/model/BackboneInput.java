package org.peftjava.transformers.model;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;

/**
 * What a backbone computes hidden states from.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens given now, {@code s} tokens so far including those.
 *
 * @param inputIds (b, t), int64; or null if embeddings are given
 * @param inputsEmbeds (b, t, e), in place of ids
 * @param attentionMask (b, s), 1 for tokens and 0 for padding; null if nothing is padded
 * @param positionIds (b, t), int64; null for positions counted from the mask
 * @param tokenTypeIds (b, t), int64, the segment of each token; null for 0
 * @param past keys and values of the tokens before; extended by the call
 * @param embeddingNoise NEFTune's alpha: how much noise the embeddings of ids get; 0 for none
 * @param trace what the pass shall keep of its way, or null
 */
public record BackboneInput(
    @Nullable Tensor inputIds,
    @Nullable Tensor inputsEmbeds,
    @Nullable Tensor attentionMask,
    @Nullable Tensor positionIds,
    @Nullable Tensor tokenTypeIds,
    @Nullable KvCache past,
    double embeddingNoise,
    @Nullable LayerTrace trace) {

  /** Checks the shapes against each other. */
  public BackboneInput {
    if ((inputIds == null) == (inputsEmbeds == null)) {
      throw new IllegalArgumentException(
          (inputIds == null ? "Neither inputIds nor inputsEmbeds are" : "Both are")
              + " given. Pass exactly one of inputIds (b, t) and inputsEmbeds (b, t, e).");
    }
    Tensor given = inputIds != null ? inputIds : Objects.requireNonNull(inputsEmbeds);
    int rank = inputIds != null ? 2 : 3;
    if (given.rank() != rank || given.size(0) == 0 || given.size(1) == 0) {
      throw new IllegalArgumentException(
          (inputIds != null ? "inputIds have shape " : "inputsEmbeds have shape ")
              + given.shape()
              + ". Expected "
              + (inputIds != null ? "(batch, tokens)" : "(batch, tokens, embedding size)")
              + " with at least one token.");
    }
    if (attentionMask != null) {
      long total = given.size(1) + (past == null ? 0 : past.length());
      checkSizes("attentionMask", attentionMask, given.size(0), total);
    }
    if (positionIds != null) {
      checkSizes("positionIds", positionIds, given.size(0), given.size(1));
    }
    if (tokenTypeIds != null) {
      checkSizes("tokenTypeIds", tokenTypeIds, given.size(0), given.size(1));
    }
  }

  /** An input without noise. */
  public BackboneInput(
      @Nullable Tensor inputIds,
      @Nullable Tensor inputsEmbeds,
      @Nullable Tensor attentionMask,
      @Nullable Tensor positionIds,
      @Nullable Tensor tokenTypeIds,
      @Nullable KvCache past,
      @Nullable LayerTrace trace) {
    this(inputIds, inputsEmbeds, attentionMask, positionIds, tokenTypeIds, past, 0, trace);
  }

  /** The same at these positions (b, t). */
  BackboneInput at(Tensor positions) {
    return new BackboneInput(
        inputIds,
        inputsEmbeds,
        attentionMask,
        positions,
        tokenTypeIds,
        past,
        embeddingNoise,
        trace);
  }

  /** Rows b. */
  public long batch() {
    return first().size(0);
  }

  /** Tokens t. */
  public long tokens() {
    return first().size(1);
  }

  /** Tokens in the cache before this call. */
  public long pastLength() {
    return past == null ? 0 : past.length();
  }

  /** The given embeddings (b, t, e), or those of the given ids. */
  public Tensor embedded(EmbeddingLayer table) {
    if (inputsEmbeds == null) {
      return EmbeddingNoise.on(table.forward(first()), embeddingNoise);
    }
    if (inputsEmbeds.size(-1) != table.embeddingDim()) {
      throw new IllegalArgumentException(
          "inputsEmbeds have shape "
              + inputsEmbeds.shape()
              + ". Expected vectors of size "
              + table.embeddingDim()
              + ", as the model's token embedding has.");
    }
    return inputsEmbeds;
  }

  private Tensor first() {
    return inputIds != null ? inputIds : Objects.requireNonNull(inputsEmbeds);
  }

  private static void checkSizes(String name, Tensor tensor, long batch, long length) {
    if (tensor.rank() != 2 || tensor.size(0) != batch || tensor.size(1) != length) {
      throw new IllegalArgumentException(
          name
              + " has shape "
              + tensor.shape()
              + ". Expected ["
              + batch
              + ", "
              + length
              + "]: one number per row and token"
              + (name.equals("attentionMask") ? ", including the tokens in the cache." : "."));
    }
  }
}
