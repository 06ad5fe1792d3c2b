package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.AdapterConfig;
import org.peftjava.torch.nn.PassGate;
import org.peftjava.transformers.checkpoint.PretrainedFolder;

/** Where a plain model keeps its adapters, once it has any. */
final class AdapterSlot implements RepeatedPasses {
  private final PretrainedModel model;
  private final PassGate gate = new PassGate();
  private volatile @Nullable ModelAdapters adapters;
  private boolean resizedEmbeddings;
  private int hotswapRank; // 0 while swapping is not enabled

  AdapterSlot(PretrainedModel model) {
    this.model = model;
  }

  /** Whether the model has adapters. */
  boolean isFilled() {
    return adapters != null;
  }

  /**
   * Frees the model's weights by {@code weights}, and what adapters have beside its layers, once no
   * other thread has a forward pass.
   */
  void close(Runnable weights) {
    try (PassGate.Use end = gate.end("close the model")) {
      weights.run();
      ModelAdapters present = adapters;
      if (present != null) {
        present.close();
      }
    }
  }

  /** Says that the model's embeddings are not those of its files: adapters must hold them. */
  void embeddingsResized() {
    resizedEmbeddings = true;
  }

  boolean haveResizedEmbeddings() {
    return resizedEmbeddings;
  }

  /** The adapters, or an error that says that there are none. */
  ModelAdapters get() {
    if (adapters == null) {
      throw new IllegalStateException(
          "This model has no adapters. Add one with addAdapter or loadAdapter first.");
    }
    return adapters;
  }

  void add(AdapterConfig config, String name) {
    grow(name, "An adapter is to be added", grown -> grown.add(config, name));
    get().trainable(name, true);
  }

  void load(String nameOrPath, AdapterLoadOptions options) {
    String name = options.adapterName();
    boolean known = adapters != null && adapters.names().contains(name);
    boolean swap = options.hotswap().orElse(hotswapRank > 0 && known);
    if (swap && !known) {
      throw new IllegalArgumentException(
          "To hotswap an adapter, there must be one of its name, and the model has no adapter \""
              + name
              + "\". Load it without hotswap first.");
    }
    Path folder =
        PretrainedFolder.resolve(
            nameOrPath, options.subfolder(), PretrainedFolder.ADAPTER, options.hub());
    if (swap) {
      get().hotswap(folder, name, options.isTrainable());
    } else {
      load(folder, name, options.isTrainable());
    }
  }

  /** Lets adapters take each other's places, with matrices of this rank. */
  void enableHotswap(int targetRank) {
    if (targetRank <= 0) {
      throw new IllegalArgumentException("targetRank is " + targetRank + "; expected 1 or more.");
    }
    if (isFilled()) {
      throw new IllegalStateException(
          "The model has adapters "
              + get().names()
              + " already. Call enablePeftHotswap before loading the first one.");
    }
    hotswapRank = targetRank;
  }

  void load(Path folder, String name, boolean isTrainable) {
    grow(
        name,
        folder + " holds an adapter",
        grown -> {
          grown.load(folder, name, isTrainable);
          if (hotswapRank > 0) {
            padOrRemove(grown, name);
          }
        });
  }

  private void padOrRemove(ModelAdapters grown, String name) {
    try {
      grown.pad(name, hotswapRank);
    } catch (RuntimeException e) {
      if (grown.names().size() > 1) { // a first one goes with all that was attached
        grown.delete(name);
      }
      throw e;
    }
  }

  /** A change that adds an adapter. */
  private interface Addition {
    void to(ModelAdapters adapters);
  }

  private void grow(String name, String what, Addition addition) {
    ModelAdapters grown = adapters == null ? AdapterLoader.find(what).attach(model) : adapters;
    try {
      addition.to(grown);
    } catch (RuntimeException e) {
      if (adapters == null) {
        grown.detach();
      }
      throw e;
    }
    adapters = grown;
    grown.activate(List.of(name));
  }

  void activate(List<String> names) {
    get().activate(names);
    names.forEach(name -> get().trainable(name, true));
  }

  void delete(List<String> names) {
    List<String> unknown = names.stream().filter(name -> !get().names().contains(name)).toList();
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          "There are no adapters "
              + unknown
              + " to delete. Adapters of this model: "
              + get().names()
              + ".");
    }
    for (String name : names) {
      if (get().names().equals(List.of(name))) {
        get().detach();
        adapters = null;
      } else {
        get().delete(name);
      }
    }
  }

  /** The one adapter that acts, which is what is saved. */
  String saved() {
    List<String> active = get().active();
    if (active.size() != 1) {
      throw new IllegalStateException(
          "Adapters "
              + active
              + " act together, and a folder holds one. Save them one by one, each after"
              + " setAdapter(name).");
    }
    return active.get(0);
  }

  /** Marks the time of a forward pass. */
  @Override
  public ModelAdapters.Pass run() {
    PassGate.Use weights = gate.pass();
    ModelAdapters present = adapters;
    if (present == null) {
      return weights::close;
    }
    try {
      ModelAdapters.Pass pass = present.run();
      return () -> {
        pass.close();
        weights.close();
      };
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  /** Marks the time of a generation. */
  ModelAdapters.Pass generation() {
    ModelAdapters present = adapters;
    return present == null ? () -> {} : present.generation();
  }

  @Override
  public long changes() {
    ModelAdapters present = adapters;
    return gate.changes() + (present == null ? 0 : 1 + present.changes());
  }
}
