package org.peftjava.peft.tuner.xlora;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Parameter;

/**
 * Gives each token its share of each adapter in each layer: linear layers with ReLU and dropout
 * between them.
 *
 * <p>Reference: PEFT {@code tuners/xlora/classifier.py::XLoraClassifier}.
 */
final class XLoraClassifier {
  static final String GROUP = "internal_xlora_classifier";

  private final XLoraConfig config;
  private final List<Linear> linears = new ArrayList<>();
  private final int layers;
  private final int adapters;

  XLoraClassifier(XLoraConfig config, int layers, int adapters, DType dtype) {
    this.config = config;
    this.layers = layers;
    this.adapters = adapters;
    long in = config.hiddenSize().orElseThrow();
    for (int i = 1; i < config.xloraDepth(); i++) {
      linears.add(new Linear(in, config.xloraSize(), true, dtype));
      in = config.xloraSize();
    }
    linears.add(
        new Linear(in, config.layerwiseScalings() ? layers * adapters : adapters, true, dtype));
    linears.forEach(Linear::initialize);
    linears.forEach(linear -> linear.requiresGrad(false));
  }

  int layers() {
    return layers;
  }

  int adapters() {
    return adapters;
  }

  DType dtype() {
    return linears.get(0).weight().dtype();
  }

  Device device() {
    return linears.get(0).weight().tensor().device();
  }

  /** The weights under the places that they have in Python's list of layers. */
  List<Weight> weights() {
    int step = config.xloraDropoutP() > 0 ? 3 : 2; // ReLU and dropout have places too
    List<Weight> result = new ArrayList<>();
    for (int i = 0; i < linears.size(); i++) {
      int place = i * step;
      linears
          .get(i)
          .ownParameters()
          .forEach((name, parameter) -> result.add(weight(place, name, parameter)));
    }
    return result;
  }

  private static Weight weight(int place, String name, Parameter parameter) {
    String leaf = "layers_" + place + "_" + name;
    String file = GROUP + ".layers." + place + "." + name;
    return new Weight(GROUP, leaf, parameter, Role.TRAINED, file);
  }

  /** The shares (b, t, l, n) of tokens with these hidden states (b, t, e). */
  Tensor forward(Tensor hidden, boolean training) {
    if (hidden.size(-1) != linears.get(0).inFeatures()) {
      throw config
          .fields()
          .invalid(XLoraConfig.HIDDEN_SIZE, "must be the model's, " + hidden.size(-1));
    }
    Tensor x = hidden.to(dtype()).to(device());
    for (int i = 0; i < linears.size() - 1; i++) {
      x = Ops.relu(linears.get(i).forward(x));
      x = training ? Dropouts.dropout(x, config.xloraDropoutP()) : x;
    }
    Tensor logits = linears.get(linears.size() - 1).forward(x);
    long rows = hidden.size(0);
    long tokens = hidden.size(1);
    Tensor shares =
        config.layerwiseScalings()
            ? logits.reshape(rows, tokens, layers, adapters)
            : logits.unsqueeze(2).expand(rows, tokens, layers, adapters);
    return config.enableSoftmax()
        ? Ops.softmax(shares.div(config.softmaxTemperature()), -1)
        : shares;
  }
}
