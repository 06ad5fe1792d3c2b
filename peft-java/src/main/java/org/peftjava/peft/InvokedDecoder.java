package org.peftjava.peft;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.Invocations;
import org.peftjava.peft.tuner.InvokedTokens;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.DecoderSession;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * A model whose adapters wait for their invocation, as the generation loop sees it: they act from
 * the last invocation in the prompt on, wherever a pass begins.
 */
record InvokedDecoder(DecoderModel base, Invocations invocations) implements DecoderModel {
  @Override
  public DecoderSession begin(TokenBatch prompts, long capacity, boolean useCache) {
    return new Session(
        base.begin(prompts, capacity, useCache),
        invocations,
        invocations.in(prompts.inputIds()),
        prompts.length());
  }

  @Override
  public int maxPositions() {
    return base.maxPositions();
  }

  @Override
  public int vocabSize() {
    return base.vocabSize();
  }

  @Override
  public Device device() {
    return base.device();
  }

  /**
   * One generation.
   *
   * @param inPrompt the invoked tokens of the prompts
   * @param width length of the prompts
   */
  private record Session(
      DecoderSession base, Invocations invocations, InvokedTokens inPrompt, int width)
      implements DecoderSession {
    /** The invoked tokens when so many more have been given after those that are remembered. */
    private <T> T during(long fresh, Supplier<T> pass) {
      long grown = base.length() + fresh - width;
      Map<String, long[]> offsets = new LinkedHashMap<>();
      inPrompt
          .offsets()
          .forEach(
              (name, rows) ->
                  offsets.put(
                      name,
                      Arrays.stream(rows)
                          .map(offset -> offset == 0 ? 0 : Math.max(0, offset + grown))
                          .toArray()));
      return invocations.during(new InvokedTokens(offsets), pass);
    }

    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask) {
      return during(ids.size(1), () -> base.logits(ids, attentionMask));
    }

    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask, int positions) {
      return during(ids.size(1), () -> base.logits(ids, attentionMask, positions));
    }

    @Override
    public Step step(Tensor ids, @Nullable Tensor attentionMask) {
      return during(ids.size(1), () -> base.step(ids, attentionMask));
    }

    @Override
    public void crop(long length) {
      base.crop(length);
    }

    @Override
    public void reach(long positions) {
      base.reach(positions);
    }

    @Override
    public long alikeUntil(long positions) {
      return base.alikeUntil(positions);
    }

    @Override
    public long length() {
      return base.length();
    }

    @Override
    public void expand(int copies) {
      base.expand(copies);
    }

    @Override
    public void reorder(long[] rows, long from) {
      base.reorder(rows, from);
    }

    @Override
    public void close() {
      base.close();
    }
  }
}
