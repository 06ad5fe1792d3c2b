package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;

/**
 * Merging into quantized weights, for every tuning method that can be merged: the weight is made
 * dense, changed as a dense one is, and quantized again.
 */
@ExtendWith(LedgerCheck.class)
class QuantizedContractTest {
  private static final Map<String, BitsAndBytesConfig> FORMATS =
      Map.of(
          "8-bit",
          BitsAndBytesConfig.builder().loadIn8bit(true).build(),
          "4-bit",
          BitsAndBytesConfig.builder()
              .loadIn4bit(true)
              .bnb4bitQuantType(QuantType.NF4)
              .bnb4bitComputeDtype(DType.FLOAT32)
              .build());

  static Stream<Arguments> cases() {
    List<String> quantizable = TunerCase.quantizable();
    // a base that is cut and quantized again (KaSA) is not the dense one
    List<String> whole = new ArrayList<>(TunerCase.besideTheBase());
    whole.addAll(TunerCase.startingWithoutEffect());
    return TunerCase.mergeable().stream()
        .filter(quantizable::contains)
        .filter(whole::contains)
        .flatMap(name -> FORMATS.keySet().stream().map(format -> Arguments.of(name, format)));
  }

  private static BitsAndBytesConfig config(String format) {
    BitsAndBytesConfig config = FORMATS.get(format);
    if (config == null) {
      throw new IllegalArgumentException(format);
    }
    return config;
  }

  /** Values by name, of a model whose layers are dense again. */
  private static Map<String, float[]> values(CausalLM model) {
    Map<String, float[]> result = new LinkedHashMap<>();
    for (Map.Entry<String, Parameter> entry : model.namedState().entrySet()) {
      result.put(entry.getKey(), entry.getValue().tensor().to(DType.FLOAT32).toFloats());
    }
    return result;
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("cases")
  void mergedWeightsAreDenseOnesQuantizedAgain(String name, String format) {
    Map<String, float[]> plain;
    Map<String, float[]> expected;
    try (TunerCase tuner = new TunerCase(name)) {
      config(format).applyTo(tuner.base());
      tuner.base().dequantize();
      plain = values(tuner.base());
      tuner.load().mergeAndUnload(options -> options.safeMerge(true));
      config(format).applyTo(tuner.base());
      tuner.base().dequantize();
      expected = values(tuner.base());
    }
    try (TunerCase tuner = new TunerCase(name)) {
      config(format).applyTo(tuner.base());
      tuner.load().mergeAndUnload(options -> options.safeMerge(true));
      tuner.base().dequantize();
      Map<String, float[]> merged = values(tuner.base());
      assertEquals(expected.keySet(), merged.keySet());
      int changed = 0;
      for (Map.Entry<String, float[]> entry : merged.entrySet()) {
        float[] right = expected.getOrDefault(entry.getKey(), new float[0]);
        assertTrue(apart(right, entry.getValue()) < 0.01, entry.getKey());
        changed += Arrays.equals(plain.get(entry.getKey()), entry.getValue()) ? 0 : 1;
      }
      assertFalse(changed == 0, "something is merged");
    }
  }

  /** The share of numbers that are not the same but for rounding, which may choose another code. */
  private static double apart(float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    int apart = 0;
    for (int i = 0; i < expected.length; i++) {
      if (!(Math.abs(expected[i] - actual[i]) <= 1e-4 * (1 + Math.abs(expected[i])))) {
        apart++;
      }
    }
    return (double) apart / Math.max(1, expected.length);
  }
}
