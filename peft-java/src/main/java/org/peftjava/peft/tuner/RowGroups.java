package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;

/**
 * The rows of a batch by adapter.
 *
 * @param count number of all rows n
 * @param groups those of adapters, without a row twice
 */
record RowGroups(long count, List<RowGroup> groups) {
  boolean isEmpty() {
    return groups.isEmpty();
  }

  /**
   * x (n, ...) with the rows of each group changed, in its type.
   *
   * @param change gives the new rows of a group, or the same tensor: for no change, or overwritten
   *     if x is fresh
   * @param isFresh whether nobody else uses x, so that its memory may be overwritten
   */
  Tensor change(Tensor x, boolean isFresh, BiFunction<RowGroup, Tensor, Tensor> change) {
    return GradMode.isEnabled() ? recorded(x, change) : overwritten(x, isFresh, change);
  }

  private Tensor overwritten(
      Tensor x, boolean isFresh, BiFunction<RowGroup, Tensor, Tensor> change) {
    Tensor result = x;
    for (RowGroup group : groups) {
      Tensor part = group.of(result);
      Tensor changed = change.apply(group, part);
      if (changed != part || isFresh) { // a fresh part may have been changed where it is
        result = result == x && !isFresh ? x.copy() : result;
        group.put(result, changed);
      }
    }
    return result;
  }

  private Tensor recorded(Tensor x, BiFunction<RowGroup, Tensor, Tensor> change) {
    List<Tensor> changed = new ArrayList<>();
    boolean isSame = true;
    for (RowGroup group : groups) {
      Tensor part = group.of(x);
      Tensor result = change.apply(group, part);
      isSame &= result == part;
      changed.add(result.to(x.dtype()));
    }
    return isSame ? x : joined(changed, rest().map(group -> group.of(x)));
  }

  /**
   * All rows in order.
   *
   * @param parts the rows of each group
   * @param others the rows of {@link #rest}
   */
  Tensor joined(List<Tensor> parts, Optional<Tensor> others) {
    List<Tensor> all = new ArrayList<>(parts);
    others.ifPresent(all::add);
    List<RowGroup> order = new ArrayList<>(groups);
    rest().ifPresent(order::add);
    long[] places = new long[Math.toIntExact(count)];
    int place = 0;
    for (RowGroup group : order) {
      for (long row : group.rows()) {
        places[Math.toIntExact(row)] = place++;
      }
    }
    Tensor rows = Creation.cat(all, 0);
    return rows.indexSelect(0, Creation.ofLongs(places, places.length).to(rows.device()));
  }

  /** The rows of no group. */
  Optional<RowGroup> rest() {
    boolean[] taken = new boolean[Math.toIntExact(count)];
    for (RowGroup group : groups) {
      for (long row : group.rows()) {
        taken[Math.toIntExact(row)] = true;
      }
    }
    long[] rows =
        IntStream.range(0, taken.length).filter(row -> !taken[row]).asLongStream().toArray();
    return rows.length == 0 ? Optional.empty() : Optional.of(new RowGroup(AdapterRows.BASE, rows));
  }
}
