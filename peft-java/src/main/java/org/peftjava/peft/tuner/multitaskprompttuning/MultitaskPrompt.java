package org.peftjava.peft.tuner.multitaskprompttuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * Virtual tokens P (n, d) of which task i makes {@code P * (C_i R_i)}, elementwise, with C_i (n, r)
 * and R_i (r, d).
 *
 * <p>Reference: PEFT {@code tuners/multitask_prompt_tuning/model.py::MultitaskPromptEmbedding}.
 */
final class MultitaskPrompt extends PromptEncoder {
  static final String COLS = "prefix_task_cols";
  static final String ROWS = "prefix_task_rows";

  private static final double STD = 0.02;

  private final Parameter shared;
  private final Parameter cols;
  private final Parameter rows;
  private final int tasks;

  MultitaskPrompt(int tasks, long tokens, long size, long rank) {
    this.tasks = tasks;
    shared = child("embedding", new Embedding(tokens, size, DType.FLOAT32)).table();
    cols = register(COLS, matrices(tasks, tokens, rank));
    rows = register(ROWS, matrices(tasks, rank, size));
  }

  private static Parameter matrices(long tasks, long rows, long columns) {
    return new Parameter(Shape.of(tasks, rows, columns), DType.FLOAT32, Init.normal(STD));
  }

  void startShared(Init init) {
    shared.init(init);
  }

  void startTasks(Init initialCols, Init initialRows) {
    cols.init(initialCols);
    rows.init(initialRows);
  }

  @Override
  public Tensor forward(@Nullable Tensor taskIds) {
    if (taskIds == null) {
      throw new IllegalArgumentException(
          "taskIds are missing. Multitask prompt tuning needs the task of each row, a number from 0"
              + " to "
              + (tasks - 1)
              + ".");
    }
    try (TensorScope scope = TensorScope.open("multitask prompt")) {
      check(taskIds);
      Tensor ids = taskIds.to(shared.tensor().device());
      Tensor changes = cols.tensor().indexSelect(0, ids).matmul(rows.tensor().indexSelect(0, ids));
      return scope.keep(shared.tensor().mul(changes));
    }
  }

  private void check(Tensor ids) {
    if (ids.rank() != 1 || ids.dtype() != DType.INT64) {
      throw new IllegalArgumentException(
          "taskIds have shape "
              + ids.shape()
              + " and type "
              + ids.dtype()
              + ". Expected one int64 for each row.");
    }
    long lowest = ids.min().toLong();
    long highest = ids.max().toLong();
    if (lowest < 0 || highest >= tasks) {
      throw new IllegalArgumentException(
          "taskIds contain "
              + (lowest < 0 ? lowest : highest)
              + ". Expected 0 to "
              + (tasks - 1)
              + " (num_tasks is "
              + tasks
              + ").");
    }
  }

  @Override
  public boolean isOfBothSides() {
    return true;
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    return Map.of(
        COLS, AdapterTensor.of(cols), ROWS, AdapterTensor.of(rows), KEY, AdapterTensor.of(shared));
  }
}
