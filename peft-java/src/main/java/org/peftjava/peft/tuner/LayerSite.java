package org.peftjava.peft.tuner;

import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
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
 * @param shared weights that all layers of the adapter share
 */
public record LayerSite(
    String path,
    Module layer,
    DType baseType,
    DType adapterType,
    Device device,
    SharedWeights shared) {
  /**
   * The place of this layer.
   *
   * @param autocast whether adapters of 16-bit layers are float32
   */
  static LayerSite of(String path, Module layer, boolean autocast, SharedWeights shared) {
    DType type =
        layer instanceof LinearLayer linear
            ? linear.computeDtype()
            : ((EmbeddingLayer) layer).table().dtype();
    DType own = autocast && type.isHalfPrecision() ? DType.FLOAT32 : type;
    return new LayerSite(path, layer, type, own, deviceOf(layer), shared);
  }

  /** Where a layer's weights are; the CPU if it has none. */
  static Device deviceOf(Module layer) {
    return layer.namedState().values().stream()
        .filter(Parameter::isMaterialized)
        .findFirst()
        .map(parameter -> parameter.tensor().device())
        .orElse(Device.CPU);
  }

  /** The base layer as a linear one. */
  public LinearLayer linear() {
    return (LinearLayer) layer;
  }

  /** A parameter of the adapter with its first values, of its type and on its device. */
  public Parameter parameter(Init init, long... sizes) {
    Parameter result = new Parameter(Shape.of(sizes), DType.FLOAT32, init);
    result.initialize();
    return place(result);
  }

  /** Converts a float32 parameter to the adapter's type and moves it to the layer's device. */
  public Parameter place(Parameter parameter) {
    parameter.to(baseType); // as in Python, values pass through the base's type
    parameter.to(adapterType);
    parameter.to(device);
    parameter.requiresGrad(false);
    return parameter;
  }
}
