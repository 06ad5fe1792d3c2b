package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.collect.ImmutableList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The status calls layers what Python calls them: golden/layer_types.json. */
@ExtendWith(LedgerCheck.class)
class LayerTypesTest {
  static List<String> cases() {
    return ImmutableList.copyOf(Goldens.json(Goldens.path("layer_types.json")).fieldNames());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void layersHavePythonsNames(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      assertEquals(
          Set.copyOf(Goldens.texts(Goldens.json(Goldens.path("layer_types.json")).get(name))),
          model.getLayerStatus().stream().map(LayerStatus::moduleType).collect(Collectors.toSet()));
    }
  }
}
