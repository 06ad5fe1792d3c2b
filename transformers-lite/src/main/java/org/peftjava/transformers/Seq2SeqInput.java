package org.peftjava.transformers;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.EncoderDecoderCache;
import org.peftjava.transformers.model.LayerTrace;

/**
 * What the decoder of an encoder-decoder is given besides the encoder's input. The tensors stay the
 * caller's.
 *
 * <p>Letters: {@code b} batch, {@code t} decoder tokens given now, {@code s} decoder tokens so far
 * including those in the cache, {@code n} source tokens, {@code e} hidden size.
 *
 * @param decoderInputIds (b, t), int64; null for the labels, shifted to the right, or if embeddings
 *     are given
 * @param decoderInputsEmbeds (b, t, e), in place of ids
 * @param decoderAttentionMask (b, s), 1 for tokens and 0 for padding; null if nothing is padded
 * @param encoderOutputs (b, n, e), the encoder's last hidden states; null to run the encoder
 * @param pastKeyValues what was kept of the tokens before, extended by the call; null for none
 */
public record Seq2SeqInput(
    @Nullable Tensor decoderInputIds,
    @Nullable Tensor decoderInputsEmbeds,
    @Nullable Tensor decoderAttentionMask,
    @Nullable Tensor encoderOutputs,
    @Nullable EncoderDecoderCache pastKeyValues) {
  /** Nothing. */
  static final Seq2SeqInput NONE = builder().build();

  /** An empty builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.decoderInputIds = decoderInputIds;
    builder.decoderInputsEmbeds = decoderInputsEmbeds;
    builder.decoderAttentionMask = decoderAttentionMask;
    builder.encoderOutputs = encoderOutputs;
    builder.pastKeyValues = pastKeyValues;
    return builder;
  }

  /** Whether all tensors are on a device. */
  boolean isOn(Device device) {
    return ModelInput.isOn(decoderInputIds, device)
        && ModelInput.isOn(decoderInputsEmbeds, device)
        && ModelInput.isOn(decoderAttentionMask, device)
        && ModelInput.isOn(encoderOutputs, device);
  }

  /** This input with its tensors on a device. */
  Seq2SeqInput to(Device device) {
    return new Seq2SeqInput(
        ModelInput.on(decoderInputIds, device),
        ModelInput.on(decoderInputsEmbeds, device),
        ModelInput.on(decoderAttentionMask, device),
        ModelInput.on(encoderOutputs, device),
        pastKeyValues);
  }

  /** Whether the decoder's own tokens are given. */
  boolean hasTokens() {
    return decoderInputIds != null || decoderInputsEmbeds != null;
  }

  /** The decoder's own tokens: those of this input, or {@code shifted} labels. */
  BackboneInput tokens(@Nullable Tensor shifted, @Nullable LayerTrace trace) {
    Tensor ids = hasTokens() ? decoderInputIds : shifted;
    if (ids == null && decoderInputsEmbeds == null) {
      throw new IllegalArgumentException(
          "Neither labels nor decoderInputIds nor decoderInputsEmbeds are given. The decoder needs"
              + " tokens to begin with: pass labels to train, or decoderInputIds; to write text"
              + " call generate.");
    }
    return new BackboneInput(
        ids,
        decoderInputsEmbeds,
        decoderAttentionMask,
        null,
        null,
        pastKeyValues == null ? null : pastKeyValues.selfAttention(),
        trace);
  }

  /** Builds a {@link Seq2SeqInput}; each method sets the component of its name. */
  public static final class Builder {
    private @Nullable Tensor decoderInputIds;
    private @Nullable Tensor decoderInputsEmbeds;
    private @Nullable Tensor decoderAttentionMask;
    private @Nullable Tensor encoderOutputs;
    private @Nullable EncoderDecoderCache pastKeyValues;

    private Builder() {}

    /** Token ids (b, t); replaces embeddings. */
    public Builder decoderInputIds(Tensor ids) {
      decoderInputIds = Objects.requireNonNull(ids);
      decoderInputsEmbeds = null;
      return this;
    }

    /** Token embeddings (b, t, e); replaces ids. */
    public Builder decoderInputsEmbeds(Tensor embeds) {
      decoderInputsEmbeds = Objects.requireNonNull(embeds);
      decoderInputIds = null;
      return this;
    }

    /** 1 for tokens and 0 for padding (b, s); null if nothing is padded. */
    public Builder decoderAttentionMask(@Nullable Tensor mask) {
      decoderAttentionMask = mask;
      return this;
    }

    /** The encoder's last hidden states (b, n, e); null to run the encoder. */
    public Builder encoderOutputs(@Nullable Tensor states) {
      encoderOutputs = states;
      return this;
    }

    /** The cache to read and extend; null for none. */
    public Builder pastKeyValues(@Nullable EncoderDecoderCache cache) {
      pastKeyValues = cache;
      return this;
    }

    /** The input. */
    public Seq2SeqInput build() {
      return new Seq2SeqInput(
          decoderInputIds,
          decoderInputsEmbeds,
          decoderAttentionMask,
          encoderOutputs,
          pastKeyValues);
    }
  }
}
