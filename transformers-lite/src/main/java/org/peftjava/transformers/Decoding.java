package org.peftjava.transformers;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.DecoderSession;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** A language model as the generation loop sees it: logits of the last position, and a cache. */
record Decoding(CausalLanguageModel model) implements DecoderModel {
  @Override
  public DecoderSession begin(TokenBatch prompts, long capacity, boolean useCache) {
    KvCache past = useCache ? model.newCache(capacity) : null;
    return new Session(model, past, RecordedSteps.of(model, past, capacity - prompts.length()));
  }

  @Override
  public int maxPositions() {
    return model.config().longestSequence();
  }

  @Override
  public int vocabSize() {
    return model.config().vocabSize();
  }

  @Override
  public Device device() {
    return model.device();
  }

  /** The model with the tokens that one generation has seen. */
  private record Session(
      CausalLanguageModel model, @Nullable KvCache past, @Nullable RecordedSteps steps)
      implements DecoderSession {
    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask) {
      Tensor repeated = steps == null ? null : steps.logits(ids, attentionMask);
      return repeated == null ? logits(ids, attentionMask, 1).squeeze(1) : repeated;
    }

    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask, int positions) {
      return model
          .forward(input(ids, attentionMask).logitsToKeep(positions).build())
          .logits()
          .orElseThrow();
    }

    @Override
    public void crop(long length) {
      if (past != null) {
        past.crop(length);
      }
    }

    @Override
    public Step step(Tensor ids, @Nullable Tensor attentionMask) {
      ModelOutput output =
          model.forward(input(ids, attentionMask).outputHiddenStates(true).build());
      List<Tensor> states = output.hiddenStates();
      return new Step(output.logits().orElseThrow().squeeze(1), states.get(states.size() - 1));
    }

    private ModelInput.Builder input(Tensor ids, @Nullable Tensor attentionMask) {
      return ModelInput.builder()
          .inputIds(ids)
          .attentionMask(attentionMask)
          .past(past)
          .logitsToKeep(1);
    }

    @Override
    public long length() {
      return past == null ? 0 : past.length();
    }

    @Override
    public void reach(long positions) {
      if (past != null) {
        int border = model.config().cacheBorder();
        if (past.expected() > border != positions > border) {
          past.clear();
        }
        past.expect(positions);
      }
    }

    @Override
    public long alikeUntil(long positions) {
      int border = model.config().cacheBorder();
      return positions > border ? Long.MAX_VALUE : border;
    }

    @Override
    public void expand(int copies) {
      if (past != null) {
        past.expand(copies);
      }
    }

    @Override
    public void reorder(long[] rows, long from) {
      if (past != null) {
        past.reorder(rows, from);
      }
    }

    @Override
    public void close() {
      if (steps != null) {
        steps.close();
      }
      if (past != null) {
        past.close();
      }
    }
  }
}
