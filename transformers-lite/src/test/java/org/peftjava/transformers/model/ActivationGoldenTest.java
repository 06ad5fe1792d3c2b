package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** Every nonlinearity that a config.json can name, beside transformers' ACT2FN. */
class ActivationGoldenTest {
  private static final double TOLERANCE = 1e-5;

  @Test
  void valuesGradientsAndProductsArePythons() {
    Set<String> names = new TreeSet<>();
    try (WeightSource golden = Safetensors.open(Goldens.folder("activations.safetensors"))) {
      for (String key : golden.names()) {
        if (key.endsWith(".y")) {
          names.add(key.substring(0, key.length() - 2));
        }
      }
      names.forEach(name -> check(name, golden));
    }
    assertEquals(22, names.size());
  }

  private static void check(String name, WeightSource golden) {
    try (TensorScope scope = TensorScope.open(name)) {
      Activation activation = Activation.of(name, "the test");
      Tensor x = golden.tensor("x").requiresGrad(true);
      Tensor y = activation.forward(x);
      Goldens.assertClose(golden.tensor(name + ".y"), y.detach(), TOLERANCE);
      y.backward(golden.tensor("gradient"));
      Goldens.assertClose(golden.tensor(name + ".grad"), x.grad().orElseThrow(), TOLERANCE);
      Tensor factor = golden.tensor("factor");
      Tensor expected = golden.tensor(name + ".product");
      Goldens.assertClose(expected, activation.product(x, factor).detach(), TOLERANCE);
      try (GradMode off = GradMode.noGrad()) {
        Tensor plain = golden.tensor("x");
        Goldens.assertClose(expected, activation.product(plain, factor), TOLERANCE);
      }
    }
  }
}
