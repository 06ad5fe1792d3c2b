package org.peftjava.torch.nn;

import java.util.Map;
import java.util.TreeMap;
import org.peftjava.torch.FusedOps;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/** An element-wise nonlinearity by its name in {@code config.json} (transformers' ACT2FN). */
public final class Activation extends Module implements Layer {
  private static final double QUICK_GELU_SLOPE = 1.702;

  private static final Map<String, Layer> BY_NAME =
      Map.of(
          "relu", Ops::relu,
          "gelu", x -> Ops.gelu(x, "none"),
          "gelu_new", x -> Ops.gelu(x, "tanh"),
          "gelu_fast", x -> Ops.gelu(x, "tanh"),
          "gelu_pytorch_tanh", x -> Ops.gelu(x, "tanh"),
          "quick_gelu", x -> Ops.silu(x.mul(QUICK_GELU_SLOPE)).div(QUICK_GELU_SLOPE),
          "silu", Ops::silu,
          "swish", Ops::silu,
          "tanh", Ops::tanh,
          "linear", x -> x);

  private final String name;
  private final Layer function;

  private Activation(String name, Layer function) {
    this.name = name;
    this.function = function;
  }

  /** The function of this name; {@code where} names the setting in errors. */
  public static Activation of(String name, String where) {
    Layer function = BY_NAME.get(name);
    if (function == null) {
      throw new IllegalArgumentException(
          where
              + " is '"
              + name
              + "'. Expected one of: "
              + String.join(", ", new TreeMap<>(BY_NAME).keySet())
              + ".");
    }
    return new Activation(name, function);
  }

  @Override
  public Tensor forward(Tensor x) {
    return function.forward(x);
  }

  /** {@code f(x) * factor}, of which the backward pass keeps x and the factor only. */
  public Tensor product(Tensor x, Tensor factor) {
    return switch (name) {
      case "silu", "swish" -> FusedOps.siluProduct(x, factor);
      case "gelu" -> FusedOps.geluProduct(x, factor, "none");
      case "gelu_new", "gelu_fast", "gelu_pytorch_tanh" -> FusedOps.geluProduct(x, factor, "tanh");
      default -> {
        Tensor value = forward(x);
        yield GradMode.isEnabled() ? value.mul(factor) : value.mulInPlace(factor);
      }
    };
  }

  /** {@code f(x) * factor} for whatever stands in the place of an activation. */
  public static Tensor product(Layer f, Tensor x, Tensor factor) {
    return f instanceof Activation known ? known.product(x, factor) : f.forward(x).mul(factor);
  }

  @Override
  public String toString() {
    return name;
  }
}
