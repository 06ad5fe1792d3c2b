package org.peftjava.peft;

import org.peftjava.transformers.AdapterLoader;
import org.peftjava.transformers.ModelAdapters;
import org.peftjava.transformers.PretrainedModel;

/** Brings this library's adapters to plain models: {@code model.addAdapter(config)}. */
public final class PeftAdapterLoader implements AdapterLoader {
  /** For {@link java.util.ServiceLoader}. */
  public PeftAdapterLoader() {}

  @Override
  public ModelAdapters attach(PretrainedModel model) {
    return new PeftModelAdapters(model);
  }
}
