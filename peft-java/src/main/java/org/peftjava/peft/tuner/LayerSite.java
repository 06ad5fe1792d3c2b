package org.peftjava.peft.tuner;

import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * The place where an adapter is to be made.
 *
 * @param path of the layer in the base model
 * @param layer the base layer: a {@link LinearLayer} or an {@link EmbeddingLayer}
 * @param baseType the type in which the base layer computes
 * @param adapterType the type for the adapter's parameters
 * @param device where the base layer's weights are
 */
public record LayerSite(
    String path, Module layer, DType baseType, DType adapterType, Device device) {
  /**
   * The place of this layer.
   *
   * @param autocast whether adapters of 16-bit layers are float32
   */
  static LayerSite of(String path, Module layer, boolean autocast) {
    DType type =
        layer instanceof LinearLayer linear
            ? linear.computeDtype()
            : ((EmbeddingLayer) layer).table().dtype();
    Device device =
        layer.namedState().values().stream()
            .filter(Parameter::isMaterialized)
            .findFirst()
            .map(parameter -> parameter.tensor().device())
            .orElse(Device.CPU);
    return new LayerSite(
        path, layer, type, autocast && type.isHalfPrecision() ? DType.FLOAT32 : type, device);
  }
}
