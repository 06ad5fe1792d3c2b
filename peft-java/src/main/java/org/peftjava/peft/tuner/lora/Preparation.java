package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.WeakHashMap;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;

/**
 * What data has said about a layer before an adapter is made for it: Python hangs it on the module.
 * It belongs to the layer until an adapter has taken it, another preparation replaces it, or it is
 * dropped.
 *
 * @param tensors CorDA's U (o, r), S (r) and V (d, r), or LoRA-GA's gradient (o, d)
 */
record Preparation(Kind kind, List<Tensor> tensors) {
  private static final Map<Module, Preparation> ALL = new WeakHashMap<>();

  /** Whose it is. */
  enum Kind {
    /** U, S and V. */
    CORDA,
    /** The gradient. */
    LORA_GA
  }

  /** Prepares a layer; the tensors are copied. */
  static void put(Module layer, Kind kind, Tensor... tensors) {
    drop(layer);
    List<Tensor> own = List.of(tensors).stream().map(t -> t.detach().copy().escape()).toList();
    synchronized (ALL) {
      ALL.put(layer, new Preparation(kind, own));
    }
  }

  /** What a layer was prepared with. */
  static Optional<List<Tensor>> of(Module layer, Kind kind) {
    synchronized (ALL) {
      return Optional.ofNullable(ALL.get(layer))
          .filter(found -> found.kind() == kind)
          .map(Preparation::tensors);
    }
  }

  /** Frees what a layer was prepared with, if it was. */
  static void drop(Module layer) {
    Preparation before;
    synchronized (ALL) {
      before = ALL.remove(layer);
    }
    if (before != null) {
      before.tensors().forEach(Tensor::close);
    }
  }
}
