package org.peftjava.peft.plan;

/**
 * What the layers of a decoder, or of an encoder, keep for the backward pass.
 *
 * @param layers their number
 * @param decoder whether its tokens are those that an encoder-decoder writes
 * @param heads of its attention
 * @param kept numbers that one layer keeps a token
 * @param crossKept numbers that it keeps for each token of the encoder
 * @param keptInputs bytes of inputs that one layer keeps a token for its adapters alone
 * @param low bytes of adapters' small results, a token and layer
 * @param attention how scores are computed
 * @param biased whether each head adds numbers of its own to its scores, which all layers share
 */
record StackSizes(
    long layers,
    boolean decoder,
    long heads,
    long kept,
    long crossKept,
    long keptInputs,
    long low,
    AttentionKind attention,
    boolean biased) {

  /** How attention's scores are computed, which decides whether they are kept. */
  enum AttentionKind {
    /** In a kernel that keeps one number a row of scores. */
    FUSED,
    /**
     * With dropout, where our kernels are not built, or with scores of distances: float32 scores
     * and what was dropped.
     */
    DROPPED,
    /** By their formula, with a bound, as on cards: what tanh and softmax gave. */
    BOUNDED
  }

  private static final int WIDE = 4;

  long tokens(StepOptions options) {
    return options.batch() * length(options);
  }

  private long length(StepOptions options) {
    return decoder ? options.targetSequence() : options.sequence();
  }

  /** Bytes of what is added to the scores, in every text of a batch without padding. */
  long biasBytes(StepOptions options) {
    return biased ? heads * length(options) * length(options) * options.dtype().byteSize() : 0;
  }

  /** Bytes that one layer keeps. */
  long layerBytes(StepOptions options) {
    int size = options.dtype().byteSize();
    long statistics = WIDE * (heads * (decoder ? 2 : 1) + 4) + low;
    return tokens(options) * (kept * size + keptInputs + statistics)
        + (decoder ? options.tokens() * crossKept * size : 0)
        + scores(options) * keptBytesOfAScore(size);
  }

  /** Numbers of one attention's scores; of both that a decoder behind an encoder has. */
  private long scores(StepOptions options) {
    long row = length(options) + (decoder ? options.sequence() : 0);
    return heads * tokens(options) * row;
  }

  private int keptBytesOfAScore(int size) {
    return switch (attention) {
      case FUSED -> 0;
      // softmax and what dropout made of it in float32, and the mask
      case DROPPED -> 2 * WIDE + 1;
      // tanh, a mask, softmax in float32, and the same in the model's type
      case BOUNDED -> size + 1 + WIDE + (size == WIDE ? 0 : size);
    };
  }

  /** Bytes of scores' gradients in one layer's backward pass. */
  long scoreTemporaries(StepOptions options) {
    return attention == AttentionKind.FUSED ? 0 : scores(options) * 6 * WIDE;
  }
}
