package org.peftjava.peft;

import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.TaskRows;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Passes over batches whose rows belong to tasks: Python's {@code task_ids}. */
final class Tasks {
  private Tasks() {}

  /** What {@code work} gives, within which adapters know the tasks of the batch, if it has some. */
  static <T> T during(TunedModel model, TokenBatch batch, Supplier<T> work) {
    Optional<long[]> ids = batch.taskIds();
    return ids.isPresent() ? model.adapters().withTasks(TaskRows.of(ids.get()), work) : work.get();
  }

  /** What {@code forward} gives, within which adapters know the tasks of the rows. */
  static <T> T forward(TunedModel model, ModelInput input, Function<ModelInput, T> forward) {
    Tensor ids = input.taskIds();
    if (ids == null) {
      return forward.apply(input);
    }
    ModelInput whole = withWholeHead(model, input);
    return model.adapters().withTasks(TaskRows.of(ids), () -> forward.apply(whole));
  }

  /**
   * The input for a pass in which an adapted head must see all tokens: where only the loss is
   * wanted it gets those that count, and which rows they are of would be lost.
   */
  static ModelInput withWholeHead(TunedModel model, ModelInput input) {
    boolean adaptsHead =
        model.base().outputEmbeddings().filter(model.layers()::containsKey).isPresent();
    return adaptsHead && input.labels() != null
        ? input.toBuilder().outputLogits(true).build()
        : input;
  }
}
