package org.peftjava.transformers;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.DecoderSession;
import org.peftjava.transformers.model.EncoderDecoderCache;
import org.peftjava.transformers.model.Rows;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * An encoder-decoder as the generation loop sees it: the encoder runs once, then the decoder gives
 * logits of the last position.
 */
record Seq2SeqDecoding(Seq2SeqLanguageModel model) implements DecoderModel {
  @Override
  public DecoderSession begin(TokenBatch prompts, long capacity, boolean useCache) {
    try (TensorScope scope = TensorScope.open("encode")) {
      ModelInput input = ModelInput.of(prompts, model.device());
      Tensor states = model.encode(input).encoderLastHiddenState().escape();
      Tensor mask = input.attentionMask();
      return new Session(
          model,
          states,
          mask == null ? null : mask.alias().escape(),
          useCache ? model.newCache(capacity) : null);
    }
  }

  @Override
  public boolean isEncoderDecoder() {
    return true;
  }

  @Override
  public int maxPositions() {
    return model.config().maxPositionEmbeddings();
  }

  @Override
  public int vocabSize() {
    return model.config().vocabSize();
  }

  @Override
  public Device device() {
    return model.device();
  }

  /** The decoder with what it has seen, and the encoder's states. */
  private static final class Session implements DecoderSession {
    private final Seq2SeqLanguageModel model;
    private final @Nullable EncoderDecoderCache past;
    private Tensor states;
    private @Nullable Tensor mask;

    Session(
        Seq2SeqLanguageModel model,
        Tensor states,
        @Nullable Tensor mask,
        @Nullable EncoderDecoderCache past) {
      this.model = model;
      this.states = states;
      this.mask = mask;
      this.past = past;
    }

    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask) {
      return logits(ids, attentionMask, 1).squeeze(1);
    }

    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask, int positions) {
      return model
          .forward(input(ids, attentionMask).logitsToKeep(positions).build())
          .logits()
          .orElseThrow();
    }

    @Override
    public Step step(Tensor ids, @Nullable Tensor attentionMask) {
      ModelOutput output =
          model.forward(input(ids, attentionMask).logitsToKeep(1).outputHiddenStates(true).build());
      List<Tensor> layers = output.hiddenStates();
      return new Step(output.logits().orElseThrow().squeeze(1), layers.get(layers.size() - 1));
    }

    private ModelInput.Builder input(Tensor ids, @Nullable Tensor attentionMask) {
      return ModelInput.builder()
          .attentionMask(mask)
          .seq2seq(
              Seq2SeqInput.builder()
                  .decoderInputIds(ids)
                  .decoderAttentionMask(attentionMask)
                  .encoderOutputs(states)
                  .pastKeyValues(past)
                  .build());
    }

    @Override
    public void crop(long length) {
      if (past != null) {
        past.selfAttention().crop(length);
      }
    }

    @Override
    public long length() {
      return past == null ? 0 : past.length();
    }

    @Override
    public void expand(int copies) {
      states = Rows.replaceByCopies(states, copies);
      mask = mask == null ? null : Rows.replaceByCopies(mask, copies);
      if (past != null) {
        past.expand(copies);
      }
    }

    /** Rows of one prompt share the encoder's states: those stay. */
    @Override
    public void reorder(long[] rows, long from) {
      if (past != null) {
        past.selfAttention().reorder(rows, from);
      }
    }

    @Override
    public void close() {
      states.close();
      if (mask != null) {
        mask.close();
      }
      if (past != null) {
        past.close();
      }
    }
  }
}
