package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * LoRA over parameters of a layer: {@code W + s B A} stands for each of them while the layer works,
 * for each expert its own if the parameter has three dimensions.
 *
 * <p>Reference: PEFT {@code lora/layer.py::ParamWrapper}, of which there is one around another for
 * each parameter of a layer; file names are the same. Values in golden/target_parameters.
 */
final class ParameterLoraAdapter implements LayerAdapter, ScaledAdapter {
  private final Module layer;
  private final List<Target> targets;
  private double factor = 1;

  /**
   * One parameter.
   *
   * @param name of the parameter in the layer
   * @param a (e r, d) for e experts
   * @param b (o, e r)
   * @param experts e
   * @param turned whether the parameter is (e, d, o), not (e, o, d)
   * @param scaling alpha/r
   */
  record Target(
      String name, Parameter a, Parameter b, long experts, boolean turned, double scaling) {
    /** {@code s B A}, of the parameter's shape, or (o, d) for one expert. */
    Tensor delta(double factor) {
      Tensor ta = a.tensor();
      Tensor tb = b.tensor();
      Tensor product;
      if (experts == 1) {
        product = tb.matmul(ta);
        product = turned ? product.t() : product;
      } else {
        Tensor each = tb.reshape(tb.size(0), -1, experts).permute(2, 0, 1); // (e, o, r)
        product = each.matmul(ta.reshape(experts, -1, ta.size(1))); // (e, o, d)
        product = turned ? product.transpose(1, 2) : product;
      }
      return product.mul(scaling * factor);
    }
  }

  ParameterLoraAdapter(Module layer, List<Target> targets) {
    this.layer = layer;
    this.targets = List.copyOf(targets);
  }

  /** In files, the last parameter is the outermost: those before it are in its base layer. */
  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    for (int i = 0; i < targets.size(); i++) {
      Target target = targets.get(i);
      int depth = targets.size() - 1 - i;
      String nest = depth == 0 ? "" : target.name() + ".";
      String inFile = "base_layer.".repeat(depth);
      result.add(weight(nest, "lora_A", inFile, target.a()));
      result.add(weight(nest, "lora_B", inFile, target.b()));
    }
    return result;
  }

  private static Weight weight(String nest, String group, String inFile, Parameter parameter) {
    return new Weight(nest + group, "weight", parameter, Role.TRAINED, inFile + group + ".weight");
  }

  private Parameter parameter(Target target) {
    Parameter found = layer.ownParameters().get(target.name());
    if (found == null) {
      throw new IllegalStateException("The layer has lost its parameter " + target.name() + ".");
    }
    return found;
  }

  @Override
  public Tensor aroundBase(Supplier<Tensor> base) {
    Supplier<Tensor> pass = base;
    for (Target target : targets) {
      Supplier<Tensor> inner = pass;
      pass =
          () -> {
            Parameter parameter = parameter(target);
            Tensor delta = target.delta(factor).to(parameter.dtype());
            return parameter.during(parameter.tensor().add(delta), inner);
          };
    }
    return pass.get();
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return y;
  }

  /** A parameter is one for all rows. */
  @Override
  public boolean mixesBatches() {
    return false;
  }

  @Override
  public boolean changesParameters() {
    return true;
  }

  @Override
  public boolean addToParameters(double sign, boolean safe) {
    List<Tensor> sums = new ArrayList<>();
    for (Target target : targets) {
      Tensor now = parameter(target).tensor().detach();
      sums.add(now.add(target.delta(factor).detach().to(now.dtype()), sign));
    }
    if (safe && sums.stream().anyMatch(sum -> !sum.isFinite())) {
      return false;
    }
    for (int i = 0; i < sums.size(); i++) {
      parameter(targets.get(i)).copyFrom(sums.get(i));
    }
    return true;
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight;
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight;
  }

  @Override
  public double scaling() {
    return targets.get(0).scaling() * factor;
  }

  @Override
  public void scaling(double value) {
    double initial = initialScaling();
    factor = initial == 0 ? 1 : value / initial; // without effect either way
  }

  @Override
  public double initialScaling() {
    return targets.get(0).scaling();
  }
}
