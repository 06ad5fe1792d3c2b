package org.peftjava.peft.tuner.delora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.torch.nn.Parameter;

@ExtendWith(LedgerCheck.class)
class DeloraMethodTest {
  @Test
  void patternsWithoutAModuleAreWarnedAbout() {
    DeloraConfig config =
        DeloraConfig.builder().lambdaPattern(Map.of("nowhere", 3, "fc", 4)).build();
    assertEquals(
        List.of("lambdaPattern keys [nowhere] match no targeted module and are ignored."),
        new DeloraMethod().warnings(config, Map.of("fc", Sites.linear(6, 8).layer())));
  }

  /** The lengths of the weight's columns are taken when the adapter is made. */
  @Test
  void startsFromTheWeightsColumns() {
    LayerSite site = Sites.linear(2, 2);
    Parameter weight = Objects.requireNonNull(site.layer().ownParameters().get("weight"));
    weight.init(
        tensor -> {
          tensor.fillInPlace(3);
          tensor.select(1, 1).fillInPlace(4);
        });
    weight.initialize();
    LayerAdapter adapter = new DeloraMethod().newAdapter(site, DeloraConfig.builder().build());
    float[] norms = adapter.weights().get(3).parameter().tensor().toFloats();
    assertArrayEquals(new float[] {4.2426405f, 5.656854f}, norms, 1e-6f);
    Sites.close(adapter);
    weight.close();
  }
}
