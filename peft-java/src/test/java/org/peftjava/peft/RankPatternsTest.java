package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.peft.tuner.osf.OSFConfig;

/** Ranks and counts of single layers that no layer can have are refused when the config is made. */
@ExtendWith(LedgerCheck.class)
class RankPatternsTest {
  /** The field of each method that gives layers a number of their own. */
  private static final Map<String, String> FIELDS =
      Map.of(
          "LORA", "rank_pattern",
          "LOHA", "rank_pattern",
          "LOKR", "rank_pattern",
          "DELORA", "rank_pattern",
          "OSF", "rank_pattern",
          "FOURIERFT", "n_frequency_pattern",
          "WAVEFT", "n_frequency_pattern",
          "C3A", "block_size_pattern");

  static Stream<String> methods() {
    return FIELDS.keySet().stream().sorted();
  }

  private static TunerConfig config(String type, Object value) {
    Map<String, Object> pattern = new LinkedHashMap<>();
    pattern.put("v_proj", 2);
    pattern.put("layers.1.self_attn.q_proj", value);
    return TunerMethods.get(type)
        .parse(
            Map.of(
                "target_modules", List.of("layers.1.self_attn.q_proj"), FIELDS.get(type), pattern));
  }

  @ParameterizedTest
  @MethodSource("methods")
  void badNumbersAreNamed(String type) {
    List<Object> wrong =
        type.equals("OSF")
            ? List.of(0, -2, -0.5, "3", true)
            : List.of(0, -2, 2.5, 1L << 32, "3", true);
    for (Object value : wrong) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> config(type, value)).getMessage();
      assertTrue(message.contains("Pattern must "), message);
      assertTrue(message.contains("layers.1.self_attn.q_proj=" + value), message);
      if (value instanceof Integer) {
        assertTrue(message.contains("\"layers.1.self_attn.q_proj\""), message);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("methods")
  void goodNumbersAct(String type) {
    try (TinyOpt opt = new TinyOpt();
        PeftModel model = Peft.getPeftModel(opt.base(), config(type, 4))) {
      assertTrue(model.trainableParameters().trainable() > 0);
      assertTrue(
          trainability(opt).entrySet().stream()
              .anyMatch(e -> e.getValue() && e.getKey().contains("layers.1.self_attn.q_proj")));
    }
  }

  /** A share that keeps nothing, a count that leaves nothing: known when the layer is seen. */
  @Test
  void theModelStaysAsItWas() {
    try (TinyOpt opt = new TinyOpt()) {
      Map<String, Boolean> before = trainability(opt);
      for (Number value : List.of(0.001, 16)) {
        OSFConfig config =
            OSFConfig.builder()
                .targetModules("q_proj", "v_proj")
                .rankPattern(Map.of("layers.1.self_attn.v_proj", value))
                .build();
        String message =
            assertThrows(
                    IllegalArgumentException.class, () -> Peft.getPeftModel(opt.base(), config))
                .getMessage();
        assertTrue(message.startsWith("OSFConfig: rankPattern must keep at least one"), message);
        assertTrue(message.contains("layers.1.self_attn.v_proj=" + value), message);
        assertEquals(before, trainability(opt));
      }
    }
  }

  private static Map<String, Boolean> trainability(TinyOpt opt) {
    Map<String, Boolean> result = new LinkedHashMap<>();
    opt.base()
        .module()
        .namedParameters()
        .forEach((name, parameter) -> result.put(name, parameter.requiresGrad()));
    return result;
  }
}
