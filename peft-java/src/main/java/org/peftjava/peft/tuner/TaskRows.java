package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * The task of each row of a batch: Python's {@code task_ids}.
 *
 * @param ids one for each row; where a layer gets more rows, as beams or tokens, each stands for as
 *     many of them, one after the other
 */
public record TaskRows(List<Long> ids) {
  /** Keeps an unchangeable list. */
  public TaskRows {
    ids = List.copyOf(ids);
    if (ids.isEmpty()) {
      throw new IllegalArgumentException("taskIds is empty. Expected a task for each row.");
    }
  }

  /** Of Java numbers. */
  public static TaskRows of(long... ids) {
    return new TaskRows(Arrays.stream(ids).boxed().toList());
  }

  /** Of a tensor (b), int64. */
  public static TaskRows of(Tensor ids) {
    if (ids.rank() != 1 || ids.dtype() != DType.INT64) {
      throw new IllegalArgumentException(
          "taskIds have shape "
              + ids.shape()
              + " and type "
              + ids.dtype()
              + ". Expected one int64 for each row.");
    }
    return of(ids.toLongs());
  }

  /** Throws unless all are from 0 to {@code count - 1} and they fit so many rows of a layer. */
  public void check(int count, long rows) {
    for (long id : ids) {
      if (id < 0 || id >= count) {
        throw new IllegalArgumentException(
            "taskIds contain "
                + id
                + ". Expected 0 to "
                + (count - 1)
                + ": the adapter has "
                + count
                + " tasks.");
      }
    }
    if (rows % ids.size() != 0) {
      throw new IllegalArgumentException(
          "taskIds has " + ids.size() + " numbers, but a layer got " + rows + " rows.");
    }
  }

  /** The numbers. */
  public long[] toArray() {
    return ids.stream().mapToLong(Long::longValue).toArray();
  }
}
