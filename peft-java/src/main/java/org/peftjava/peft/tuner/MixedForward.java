package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;

/**
 * A layer over a batch whose rows have different adapters: the base computes all rows at once, each
 * adapter changes its own.
 */
final class MixedForward {
  private MixedForward() {}

  /** An adapted layer's output for x (n, ...). */
  static Tensor of(AdaptedLayer layer, RowPlan names, Tensor input) {
    Map<String, LayerAdapter> adapters = layer.adapters();
    RowGroups rows = names.groups(input.size(0), adapters.keySet());
    if (rows.isEmpty()) {
      return layer.baseLayer().forward(input);
    }
    try (TensorScope scope = TensorScope.open("mixed batch")) {
      Optional<List<LowRankUpdate.Run>> runs = lowRank(adapters, rows, input);
      Tensor x =
          runs.isPresent()
              ? input // which such adapters leave alone
              : rows.change(
                  input, false, (group, part) -> adapter(adapters, group).beforeBase(part, false));
      Tensor y = layer.baseLayer().forward(x);
      if (runs.isPresent() && LowRankUpdate.addRuns(y, x, runs.get())) {
        return scope.keep(y);
      }
      return scope.keep(
          rows.change(
              y,
              true,
              (group, part) ->
                  layer.changed(
                      adapter(adapters, group),
                      group.of(x),
                      part,
                      part,
                      group.rows(),
                      rows.count())));
    }
  }

  /** What the groups' adapters add, if all of them do no more than that. */
  private static Optional<List<LowRankUpdate.Run>> lowRank(
      Map<String, LayerAdapter> adapters, RowGroups rows, Tensor input) {
    long each = input.numel() / Math.max(1, rows.count() * input.size(-1)); // tokens of a row
    List<LowRankUpdate.Run> runs = new ArrayList<>();
    for (RowGroup group : rows.groups()) {
      Optional<LowRankUpdate.Matrices> matrices = adapter(adapters, group).lowRank();
      if (matrices.isEmpty()) {
        return Optional.empty();
      }
      for (RowBlock block : group.blocks()) {
        runs.add(new LowRankUpdate.Run(block.first() * each, block.count() * each, matrices.get()));
      }
    }
    return Optional.of(runs);
  }

  private static LayerAdapter adapter(Map<String, LayerAdapter> adapters, RowGroup group) {
    return Objects.requireNonNull(adapters.get(group.adapter()));
  }

  /** The output of a module with full copies: each row passes through the copy of its adapter. */
  static Tensor of(SavedModule module, RowPlan names, Tensor input) {
    RowGroups rows = names.groups(input.size(0), module.copies().keySet());
    Layer original = (Layer) module.original();
    if (rows.isEmpty()) {
      return original.forward(input);
    }
    try (TensorScope scope = TensorScope.open("mixed batch")) {
      List<Tensor> parts = new ArrayList<>();
      for (RowGroup group : rows.groups()) {
        Layer copy = (Layer) Objects.requireNonNull(module.copies().get(group.adapter()));
        parts.add(copy.forward(group.of(input)));
      }
      Optional<Tensor> others = rows.rest().map(group -> original.forward(group.of(input)));
      return scope.keep(rows.joined(parts, others));
    }
  }
}
