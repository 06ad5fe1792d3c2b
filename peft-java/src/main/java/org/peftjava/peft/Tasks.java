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
    // Where only the loss is wanted, the head sees the tokens that count, and rows would be lost.
    boolean adaptsHead =
        model.base().outputEmbeddings().filter(model.layers()::containsKey).isPresent();
    ModelInput whole =
        adaptsHead && input.labels() != null ? input.toBuilder().outputLogits(true).build() : input;
    return model.adapters().withTasks(TaskRows.of(ids), () -> forward.apply(whole));
  }
}
