package org.peftjava.peft.tuner;

import java.util.Optional;
import java.util.function.Supplier;
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
 * @param layer the base layer: a {@link LinearLayer}, an {@link EmbeddingLayer} or a norm
 * @param baseType the type in which the base layer computes
 * @param adapterType the type for the adapter's parameters
 * @param device where the base layer's weights are
 * @param shared weights that all layers of the adapter share
 * @param changes takes what the adapter changes in the base weight
 * @param lowCpuMemUsage whether first values would be thrown away, because a file's will come
 * @param tasks gives the task of each row of a batch while it passes, if it is known
 */
public record LayerSite(
    String path,
    Module layer,
    DType baseType,
    DType adapterType,
    Device device,
    SharedWeights shared,
    BaseChanges changes,
    boolean lowCpuMemUsage,
    Supplier<Optional<TaskRows>> tasks) {
  /** The place of this layer. */
  static LayerSite of(
      String path,
      Module layer,
      AddOptions options,
      SharedWeights shared,
      BaseChanges changes,
      AdapterSet set) {
    DType type =
        layer instanceof LinearLayer linear
            ? linear.computeDtype()
            : layer.namedState().values().iterator().next().dtype();
    DType own = options.autocastAdapterDtype() && type.isHalfPrecision() ? DType.FLOAT32 : type;
    return new LayerSite(
        path,
        layer,
        type,
        own,
        deviceOf(layer),
        shared,
        changes,
        options.lowCpuMemUsage(),
        set::tasks);
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

  /** Whether the base weight is stored as numbers, not as codes. */
  public boolean isFullPrecision() {
    Parameter weight = layer.ownParameters().get("weight");
    return weight != null && weight.dtype().isFloatingPoint();
  }

  /** The initialization, or none where its values would be thrown away. */
  public Init drawn(Init init) {
    return lowCpuMemUsage ? tensor -> {} : init;
  }

  /** A parameter of the adapter with its first values, of its type and on its device. */
  public Parameter parameter(Init init, long... sizes) {
    Parameter result = new Parameter(Shape.of(sizes), DType.FLOAT32, drawn(init));
    result.initialize();
    return place(result);
  }

  /** Converts a float32 parameter to the adapter's type and moves it to the layer's device. */
  public Parameter place(Parameter parameter) {
    if (isFullPrecision()) {
      parameter.to(baseType); // as in Python, values pass through the base's type
    }
    parameter.to(adapterType);
    parameter.to(device);
    parameter.requiresGrad(false);
    return parameter;
  }
}
