package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * Which adapter acts for which row of a batch: Python's {@code adapter_names}.
 *
 * <p>A name stands for as many rows, one after the other, as a layer has of each: it may get the
 * beams of a row, or its tokens as rows. Reference: PEFT {@code
 * lora/layer.py::_mixed_batch_forward}.
 *
 * @param names one for each row, {@link #BASE} where no adapter acts
 */
public record AdapterRows(List<String> names) {
  /** The name for rows that the base model computes alone. */
  public static final String BASE = "__base__";

  /** Keeps an unchangeable list. */
  public AdapterRows {
    names = List.copyOf(names);
    if (names.isEmpty()) {
      throw new IllegalArgumentException(
          "adapterNames is empty. Expected an adapter, or \"" + BASE + "\", for each row.");
    }
  }

  /** Throws unless there is a name for each row of the batch. */
  public void checkBatch(long rows) {
    if (rows != names.size()) {
      throw new IllegalArgumentException(
          "adapterNames has "
              + names.size()
              + " names for a batch of "
              + rows
              + " rows. Expected one for each row.");
    }
  }

  /** The adapters, each once. */
  Set<String> adapters() {
    Set<String> result = new LinkedHashSet<>(names);
    result.remove(BASE);
    return result;
  }

  /** How n rows of a layer divide among those of its adapters that are named. */
  RowGroups groups(long n, Set<String> ofLayer) {
    if (n % names.size() != 0) {
      throw new IllegalStateException(
          "A layer got "
              + n
              + " rows for the "
              + names.size()
              + " names of adapterNames and cannot tell which is whose. Layers that do not see the"
              + " rows of the batch cannot be part of mixed batches.");
    }
    long each = n / names.size();
    List<RowGroup> groups = new ArrayList<>();
    for (String adapter : adapters()) {
      if (ofLayer.contains(adapter)) {
        long[] rows =
            LongStream.range(0, n)
                .filter(row -> names.get(Math.toIntExact(row / each)).equals(adapter))
                .toArray();
        groups.add(new RowGroup(adapter, rows));
      }
    }
    return new RowGroups(n, groups);
  }
}
