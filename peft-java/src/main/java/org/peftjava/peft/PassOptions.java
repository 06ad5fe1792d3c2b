package org.peftjava.peft;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.Invocations;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.Creation;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.TextIteratorStreamer;
import org.peftjava.transformers.tokenizer.DecodeOptions;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * What adapters are told of the rows of one batch. Names are Python's.
 *
 * @param adapterNames the adapter of each row, "__base__" for the base model alone; empty for those
 *     that act. The model must be in evaluation mode, with nothing merged
 * @param taskIds the task of each row, for adapters that know tasks; empty for those of the input
 * @param aloraOffsets for how many of the last tokens of each row adapters act that wait for an
 *     invocation, 0 for none; empty to find the invocations
 */
public record PassOptions(
    Optional<List<String>> adapterNames,
    Optional<List<Long>> taskIds,
    Optional<List<Long>> aloraOffsets) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** A forward pass with these options. */
  ModelOutput forward(
      TunedModel model, ModelInput input, Function<ModelInput, ModelOutput> forward) {
    ModelInput told =
        taskIds
            .map(ids -> input.toBuilder().taskIds(Creation.ofLongs(longs(ids), ids.size())).build())
            .orElse(input);
    Function<ModelInput, ModelOutput> invoked = in -> invoked(model, () -> forward.apply(in));
    return adapterNames
        .map(names -> MixedRows.forward(model, told, names, invoked))
        .orElseGet(() -> invoked.apply(told));
  }

  /** Generates with these options. */
  TokenIds generate(TunedModel model, TokenBatch batch, Function<TokenBatch, TokenIds> generate) {
    TokenBatch told = taskIds.map(ids -> batch.withTaskIds(longs(ids))).orElse(batch);
    Supplier<TokenIds> work = () -> invoked(model, () -> generate.apply(told));
    return adapterNames
        .map(names -> MixedRows.during(model, names, told.size(), work))
        .orElseGet(work);
  }

  /** Generates with these options on a thread of its own, which gives its text piece by piece. */
  Stream<String> generateStream(
      TunedModel model,
      TokenBatch batch,
      Tokenizer tokenizer,
      Consumer<DecodeOptions.Builder> decoding,
      BiFunction<TokenBatch, GenerateOptions, TokenIds> generate) {
    if (model.adapters().hasRows()) {
      throw new IllegalStateException(
          "generateStream computes on a thread of its own, which withAdapterNames does not reach."
              + " Give it the names: PassOptions.builder().adapterNames(…).");
    }
    return TextIteratorStreamer.of(
        tokenizer,
        decoding,
        options -> generate(model, batch, whole -> generate.apply(whole, options)));
  }

  private <T> T invoked(TunedModel model, Supplier<T> work) {
    return aloraOffsets.isPresent() ? invoked(model, longs(aloraOffsets.get()), work) : work.get();
  }

  /** The result of {@code work}, within which adapters act for so many of the last tokens. */
  static <T> T invoked(TunedModel model, long[] aloraOffsets, Supplier<T> work) {
    Invocations invocations = Invocations.of(model);
    return invocations.during(invocations.given(aloraOffsets), work);
  }

  private static long[] longs(List<Long> values) {
    return values.stream().mapToLong(Long::longValue).toArray();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<List<String>> adapterNames = Optional.empty();
    private Optional<List<Long>> taskIds = Optional.empty();
    private Optional<List<Long>> aloraOffsets = Optional.empty();

    private Builder() {}

    /** The adapter of each row. */
    public Builder adapterNames(List<String> names) {
      adapterNames = Optional.of(List.copyOf(names));
      return this;
    }

    /** The adapter of each row. */
    public Builder adapterNames(String... names) {
      return adapterNames(List.of(names));
    }

    /** The task of each row. */
    public Builder taskIds(long... ids) {
      taskIds = Optional.of(Arrays.stream(ids).boxed().toList());
      return this;
    }

    /** For how many of the last tokens of each row an adapter acts. */
    public Builder aloraOffsets(long... offsets) {
      aloraOffsets = Optional.of(Arrays.stream(offsets).boxed().toList());
      return this;
    }

    /** The options. */
    public PassOptions build() {
      return new PassOptions(adapterNames, taskIds, aloraOffsets);
    }
  }
}
