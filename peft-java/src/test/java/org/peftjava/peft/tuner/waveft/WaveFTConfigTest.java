package org.peftjava.peft.tuner.waveft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WaveFTConfigTest {
  @ParameterizedTest
  @ValueSource(strings = {"db11", "coif5", "haar", ""})
  void aWaveletWithoutFiltersIsRefused(String family) {
    WaveFTConfig.Builder builder = WaveFTConfig.builder().waveletFamily(family);
    String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
    assertTrue(message.contains("waveletFamily") && message.contains("db1 to db10"), message);
  }

  @Test
  void filtersOfAllFamiliesGrowTheMatrixByWhatTheyCut() {
    assertEquals(23, Wavelet.families().size());
    assertEquals(16, Wavelet.of("db1").coefficients(15), "even");
    assertEquals(22, Wavelet.of("sym4").coefficients(16));
    assertEquals(38, Wavelet.of("coif4").coefficients(16));
  }
}
