package org.peftjava.peft.tuner;

import java.util.Map;
import org.peftjava.torch.Tensor;

/**
 * What an adapter does while it is trained besides forward and backward passes, such as AdaLoRA's
 * penalty and its sharing out of the rank. Owns native memory until it is closed.
 *
 * @param <C> the method's config
 */
public interface AdapterTraining<C extends TunerConfig> extends AutoCloseable {
  /** A scalar in the graph that is added to a loss, owned by the current scope. */
  Tensor penalty();

  /**
   * Called after an optimizer's step, while the gradients are still there.
   *
   * @param step counted from 0
   * @param config the adapter's present config
   * @return the config with what has changed
   */
  C afterStep(int step, C config);

  /**
   * Takes over what training had changed in the config of a folder, before its weights are loaded.
   *
   * @return {@code config} with that
   */
  C adopt(C config, C saved);

  /** What exactly resumed training needs beside weights and config; owned by the current scope. */
  Map<String, Tensor> state();

  /**
   * Takes such a state back.
   *
   * @throws IllegalArgumentException if it is not of such an adapter; nothing has changed then
   */
  void load(Map<String, Tensor> state);

  @Override
  void close();
}
