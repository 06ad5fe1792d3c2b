package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.DType;

class BitsAndBytesConfigTest {
  @Test
  void defaultsAreThoseOfTransformers() {
    BitsAndBytesConfig expected =
        new BitsAndBytesConfig(
            false,
            false,
            6.0,
            Optional.empty(),
            false,
            false,
            DType.FLOAT32,
            QuantType.FP4,
            false,
            DType.UINT8);
    assertEquals(expected, BitsAndBytesConfig.builder().build());
  }

  @Test
  void everyBuilderMethodSetsItsComponent() {
    BitsAndBytesConfig expected =
        new BitsAndBytesConfig(
            true,
            false,
            4.5,
            Optional.of(List.of("score")),
            true,
            true,
            DType.BFLOAT16,
            QuantType.NF4,
            true,
            DType.FLOAT16);
    assertEquals(
        expected,
        BitsAndBytesConfig.builder()
            .loadIn8bit(true)
            .llmInt8Threshold(4.5)
            .llmInt8SkipModules(List.of("score"))
            .llmInt8EnableFp32CpuOffload(true)
            .llmInt8HasFp16Weight(true)
            .bnb4bitComputeDtype(DType.BFLOAT16)
            .bnb4bitQuantType(QuantType.NF4)
            .bnb4bitUseDoubleQuant(true)
            .bnb4bitQuantStorage(DType.FLOAT16)
            .build());
  }

  @Test
  void contradictionsAreRefused() {
    assertRefused(
        "load_in_4bit and load_in_8bit are both true",
        BitsAndBytesConfig.builder().loadIn4bit(true).loadIn8bit(true));
    assertRefused("llm_int8_threshold is -1.0", BitsAndBytesConfig.builder().llmInt8Threshold(-1));
    assertRefused(
        "llm_int8_threshold is NaN", BitsAndBytesConfig.builder().llmInt8Threshold(Double.NaN));
    assertRefused(
        "bnb_4bit_compute_dtype is int8",
        BitsAndBytesConfig.builder().bnb4bitComputeDtype(DType.INT8));
    assertRefused(
        "bnb_4bit_quant_storage is int64",
        BitsAndBytesConfig.builder().bnb4bitQuantStorage(DType.INT64));
  }

  @Test
  void whatThisVersionCannotDoIsSaidBeforeAModelIsTouched() {
    assertUnsupported(
        "llm_int8_has_fp16_weight is set",
        BitsAndBytesConfig.builder().loadIn8bit(true).llmInt8HasFp16Weight(true));
    BitsAndBytesConfig nothing = BitsAndBytesConfig.builder().build();
    var error = assertThrows(IllegalArgumentException.class, nothing::checkSupported);
    assertTrue(error.getMessage().contains("asks for no quantization"), error.getMessage());
  }

  private static void assertRefused(String part, BitsAndBytesConfig.Builder builder) {
    String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static void assertUnsupported(String part, BitsAndBytesConfig.Builder builder) {
    BitsAndBytesConfig config = builder.build();
    String message =
        assertThrows(UnsupportedOperationException.class, config::checkSupported).getMessage();
    assertTrue(message.contains(part), message);
  }
}
