package org.peftjava.transformers.generation;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Counts the passes of a model. */
final class CountingModel implements DecoderModel {
  private final DecoderModel model;
  int passes;

  CountingModel(DecoderModel model) {
    this.model = model;
  }

  @Override
  public DecoderSession begin(TokenBatch prompts, long capacity, boolean useCache) {
    DecoderSession session = model.begin(prompts, capacity, useCache);
    return new DecoderSession() {
      @Override
      public Tensor logits(Tensor ids, @Nullable Tensor attentionMask) {
        passes++;
        return session.logits(ids, attentionMask);
      }

      @Override
      public Tensor logits(Tensor ids, @Nullable Tensor attentionMask, int positions) {
        passes++;
        return session.logits(ids, attentionMask, positions);
      }

      @Override
      public void crop(long length) {
        session.crop(length);
      }

      @Override
      public long length() {
        return session.length();
      }

      @Override
      public void expand(int copies) {
        session.expand(copies);
      }

      @Override
      public void reorder(long[] rows, long from) {
        session.reorder(rows, from);
      }

      @Override
      public void close() {
        session.close();
      }
    };
  }

  @Override
  public int maxPositions() {
    return model.maxPositions();
  }

  @Override
  public int vocabSize() {
    return model.vocabSize();
  }

  @Override
  public Device device() {
    return model.device();
  }
}
