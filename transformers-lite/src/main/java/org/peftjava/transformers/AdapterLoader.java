package org.peftjava.transformers;

import java.util.Iterator;
import java.util.ServiceLoader;

/**
 * Puts adapters onto models; found with {@link ServiceLoader}. peft-java brings one: this library
 * knows no adapters itself.
 */
public interface AdapterLoader {
  /**
   * Makes a model ready for adapters; it has none yet.
   *
   * @throws IllegalArgumentException if another object has put adapters onto it
   */
  ModelAdapters attach(PretrainedModel model);

  /**
   * The loader on the class path.
   *
   * @param what why it is needed, as the beginning of a sentence
   * @throws IllegalStateException if there is none
   */
  static AdapterLoader find(String what) {
    Iterator<AdapterLoader> found = ServiceLoader.load(AdapterLoader.class).iterator();
    if (!found.hasNext()) {
      throw new IllegalStateException(
          what
              + ", but no library on the class path knows adapters. Add the module peft-java to the"
              + " class path.");
    }
    return found.next();
  }
}
