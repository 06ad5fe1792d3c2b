package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.AdapterConfig;

/**
 * The adapters in the layers of one model, which owns them: closing the model frees them. Made by
 * an {@link AdapterLoader}; users call the methods of {@link PeftAdapterMixin}.
 */
public interface ModelAdapters {
  /** All adapters, in order of addition. */
  List<String> names();

  /** The adapters that act, in order; also while they are switched off. */
  List<String> active();

  /** Adds an adapter with fresh values; it does not act yet unless it is the first. */
  void add(AdapterConfig config, String name);

  /**
   * Adds a saved adapter; it does not act yet unless it is the first. Nothing changes if it throws.
   */
  void load(Path folder, String name, boolean isTrainable);

  /** Puts a saved adapter in the place of one. Nothing changes if it throws. */
  void hotswap(Path folder, String name, boolean isTrainable);

  /** Gives an adapter a rank, by zeros, if it is one of ranks; it does what it did. */
  void pad(String name, int rank);

  /** Lets exactly these adapters act. */
  void activate(List<String> names);

  /** Trains an adapter while it acts, or freezes it. */
  void trainable(String name, boolean on);

  /** Lets adapters act, or not. */
  void enable(boolean on);

  /** Removes and frees an adapter. */
  void delete(String name);

  /** Takes everything off the model, which is as it was before. */
  void detach();

  /** Frees the adapters together with the model. */
  void close();

  /** What an adapter's file holds, under its names without {@code base_model.model.}. */
  Map<String, Tensor> stateDict(String name);

  /** Writes an adapter's weights and config. */
  void save(String name, Path folder);

  /** Copies the weights of a folder into an adapter. */
  void loadWeights(String name, Path folder);

  /** Marks the time of a forward pass: until it is closed, changes throw. */
  Pass run();

  /**
   * Marks passes of this thread that belong together: until it is closed, others' changes throw.
   */
  Pass generation();

  /** How many changes of adapters there have been. */
  long changes();

  /** Use of the model that is in progress. */
  interface Pass extends AutoCloseable {
    @Override
    void close();
  }
}
