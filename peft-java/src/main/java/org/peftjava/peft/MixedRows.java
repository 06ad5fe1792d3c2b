package org.peftjava.peft;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.AdapterRows;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.MixedBatch;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.Seq2SeqInput;

/** Passes over batches whose rows have adapters of their own. */
final class MixedRows {
  private MixedRows() {}

  /** The result of {@code work}, within which each row has its adapter. */
  static <T> T during(TunedModel model, List<String> adapterNames, Supplier<T> work) {
    try (AdapterSet.Running mixed = MixedBatch.open(model, new AdapterRows(adapterNames))) {
      return work.get();
    }
  }

  /** The same for a batch of so many rows. */
  static <T> T during(TunedModel model, List<String> adapterNames, long rows, Supplier<T> work) {
    new AdapterRows(adapterNames).checkBatch(rows);
    return during(model, adapterNames, work);
  }

  /** A forward pass. */
  static ModelOutput forward(
      TunedModel model,
      ModelInput input,
      List<String> adapterNames,
      Function<ModelInput, ModelOutput> forward) {
    // Where only the loss is wanted, the head sees the tokens that count, and rows would be lost.
    ModelInput whole =
        input.labels() == null ? input : input.toBuilder().outputLogits(true).build();
    return during(model, adapterNames, rows(input), () -> forward.apply(whole));
  }

  private static long rows(ModelInput input) {
    Seq2SeqInput decoder = input.seq2seq();
    return Stream.of(
            Optional.ofNullable(input.inputIds()),
            Optional.ofNullable(input.inputsEmbeds()),
            Optional.ofNullable(decoder).map(Seq2SeqInput::encoderOutputs))
        .flatMap(Optional::stream)
        .findFirst()
        .map(tensor -> tensor.size(0))
        .orElseThrow(
            () -> new IllegalArgumentException("Neither inputIds nor inputsEmbeds are given."));
  }
}
