package org.peftjava.peft.prompt;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.DecoderSession;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * A model behind virtual tokens as the generation loop sees it: the loop counts the tokens of the
 * text, the cache holds the virtual ones too.
 *
 * @param base the model, which puts them in front
 * @param virtual how many the decoder's cache holds
 */
public record PromptedDecoder(DecoderModel base, int virtual) implements DecoderModel {
  @Override
  public DecoderSession begin(TokenBatch prompts, long capacity, boolean useCache) {
    return new Session(base.begin(prompts, capacity + virtual, useCache), virtual);
  }

  @Override
  public boolean isEncoderDecoder() {
    return base.isEncoderDecoder();
  }

  @Override
  public int maxPositions() {
    return base.maxPositions() - virtual;
  }

  @Override
  public int vocabSize() {
    return base.vocabSize();
  }

  @Override
  public Device device() {
    return base.device();
  }

  private record Session(DecoderSession base, int virtual) implements DecoderSession {
    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask) {
      return base.logits(ids, attentionMask);
    }

    /** Virtual tokens are no tokens given now: their hidden states are left out. */
    @Override
    public Step step(Tensor ids, @Nullable Tensor attentionMask) {
      Step step = base.step(ids, attentionMask);
      long tokens = ids.size(1);
      Tensor hidden = step.hidden();
      return new Step(step.logits(), hidden.narrow(1, hidden.size(1) - tokens, tokens));
    }

    @Override
    public void reach(long positions) {
      base.reach(positions + virtual);
    }

    @Override
    public long alikeUntil(long positions) {
      long until = base.alikeUntil(positions + virtual);
      return until == Long.MAX_VALUE ? until : until - virtual;
    }

    @Override
    public long length() {
      return Math.max(0, base.length() - virtual);
    }

    @Override
    public void expand(int copies) {
      base.expand(copies);
    }

    @Override
    public void reorder(long[] rows, long from) {
      base.reorder(rows, from + virtual);
    }

    @Override
    public void close() {
      base.close();
    }
  }
}
