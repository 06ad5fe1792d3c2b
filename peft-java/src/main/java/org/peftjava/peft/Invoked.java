package org.peftjava.peft;

import java.util.Arrays;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.Invocations;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;

/** Passes in which adapters act from their invocation on. */
final class Invoked {
  private Invoked() {}

  /** What {@code forward} gives, within which the invoked tokens of the input are known. */
  static <T> T forward(TunedModel model, ModelInput input, Function<ModelInput, T> forward) {
    Invocations invocations = Invocations.of(model);
    if (invocations.isEmpty() || invocations.isKnown()) {
      return forward.apply(input);
    }
    ModelInput whole = Tasks.withWholeHead(model, input);
    return invocations.during(invocations.in(rows(input.inputIds())), () -> forward.apply(whole));
  }

  private static long @Nullable [][] rows(@Nullable Tensor ids) {
    if (ids == null) {
      return null;
    }
    int width = Math.toIntExact(ids.size(1));
    long[] flat = ids.toLongs();
    long[][] rows = new long[Math.toIntExact(ids.size(0))][];
    Arrays.setAll(rows, row -> Arrays.copyOfRange(flat, row * width, (row + 1) * width));
    return rows;
  }
}
