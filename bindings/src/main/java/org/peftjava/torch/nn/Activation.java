package org.peftjava.torch.nn;

import java.util.Map;
import java.util.TreeMap;
import org.peftjava.torch.ActivationOps;
import org.peftjava.torch.FusedOps;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/**
 * An element-wise nonlinearity by its name in {@code config.json}: all of transformers' ACT2FN but
 * {@code prelu} and {@code xielu}, which have weights.
 */
public final class Activation extends Module implements Layer {
  private static final double QUICK_GELU_SLOPE = 1.702;

  /** Where the Laplace function has its half, and how wide it is: as near to relu2 as it gets. */
  private static final double LAPLACE_MEAN = 0.707107;

  private static final double LAPLACE_WIDTH = 0.282095;

  private static final Layer GELU = x -> Ops.gelu(x, "none");
  private static final Layer GELU_TANH = x -> Ops.gelu(x, "tanh");

  private static final Map<String, Layer> BY_NAME =
      Map.ofEntries(
          Map.entry("relu", Ops::relu),
          Map.entry("relu2", x -> Ops.relu(x).pow(2)),
          Map.entry("relu6", x -> ActivationOps.clamp(x, 0, 6)),
          Map.entry("leaky_relu", ActivationOps::leakyRelu),
          Map.entry("gelu", GELU),
          Map.entry("gelu_python", GELU),
          Map.entry("gelu_10", x -> ActivationOps.clamp(GELU.forward(x), -10, 10)),
          Map.entry("gelu_new", GELU_TANH),
          Map.entry("gelu_fast", GELU_TANH),
          Map.entry("gelu_accurate", GELU_TANH),
          Map.entry("gelu_pytorch_tanh", GELU_TANH),
          Map.entry("gelu_python_tanh", GELU_TANH),
          Map.entry("quick_gelu", x -> Ops.silu(x.mul(QUICK_GELU_SLOPE)).div(QUICK_GELU_SLOPE)),
          Map.entry("silu", Ops::silu),
          Map.entry("swish", Ops::silu),
          Map.entry("hardswish", ActivationOps::hardswish),
          Map.entry("mish", ActivationOps::mish),
          Map.entry("sigmoid", Ops::sigmoid),
          Map.entry("laplace", Activation::laplace),
          Map.entry("sqrtsoftplus", x -> ActivationOps.softplus(x).sqrt()),
          Map.entry("tanh", Ops::tanh),
          Map.entry("linear", x -> x));

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
      case "gelu", "gelu_python" -> FusedOps.geluProduct(x, factor, "none");
      case "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh" ->
          FusedOps.geluProduct(x, factor, "tanh");
      default -> {
        Tensor value = forward(x);
        boolean kept = GradMode.isEnabled() || value == x; // "linear" gives x itself
        yield kept ? value.mul(factor) : value.mulInPlace(factor);
      }
    };
  }

  /** {@code f(x) * factor} for whatever stands in the place of an activation. */
  public static Tensor product(Layer f, Tensor x, Tensor factor) {
    return f instanceof Activation known ? known.product(x, factor) : f.forward(x).mul(factor);
  }

  private static Tensor laplace(Tensor x) {
    Tensor z = x.add(-LAPLACE_MEAN).div(LAPLACE_WIDTH * Math.sqrt(2));
    return ActivationOps.erf(z).add(1).mul(0.5);
  }

  @Override
  public String toString() {
    return name;
  }
}
