package org.peftjava.torch.nn;

/**
 * Settings of an adapter for layers of a module tree, such as a {@code LoraConfig}. Which kinds
 * there are is the business of the library that brings adapters.
 */
public interface AdapterConfig {
  /** The method's name, such as "LORA". */
  String peftType();
}
