package org.peftjava.transformers.model;

import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * What a head is built from: facts about the model, and a place to register layers.
 *
 * @param config of the model
 * @param size length of a hidden state as it leaves the backbone
 * @param dtype of the weights
 * @param registrar takes the head's layers into the model
 */
public record HeadParts(PretrainedConfig config, long size, DType dtype, Registrar registrar) {
  /** Takes layers into the model, beside the backbone. */
  public interface Registrar {
    /** Registers a layer under this name. */
    <T> Slot<T> child(String name, Class<T> type, Module module);
  }

  /** The labels that the config names. */
  public Labels labels() {
    return Labels.of(config.json());
  }

  /** Registers a layer. */
  public <T> Slot<T> child(String name, Class<T> type, Module module) {
    return registrar.child(name, type, module);
  }

  /** Registers a linear layer. */
  public Slot<LinearLayer> linear(String name, long in, long out, boolean bias) {
    return child(name, LinearLayer.class, new Linear(in, out, bias, dtype));
  }

  /** Registers a dropout layer under the name "dropout". */
  public Slot<Layer> dropout(double probability) {
    return child("dropout", Layer.class, new Dropout(probability));
  }
}
