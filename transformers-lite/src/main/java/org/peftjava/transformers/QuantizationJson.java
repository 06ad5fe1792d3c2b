package org.peftjava.transformers;

import java.util.List;
import java.util.Optional;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * {@code quantization_config} in {@code config.json}. Reference: {@code
 * transformers.quantizers.auto.AutoQuantizationConfig.from_dict}.
 */
final class QuantizationJson {
  static final String KEY = "quantization_config";

  private QuantizationJson() {}

  /** The settings with which a model's weights are stored, if they are quantized. */
  static Optional<BitsAndBytesConfig> read(PretrainedConfig config) {
    return config.json().findObject(KEY).map(QuantizationJson::read);
  }

  private static BitsAndBytesConfig read(ConfigJson json) {
    boolean eight = json.getBoolean("load_in_8bit", false);
    boolean four = json.getBoolean("load_in_4bit", false);
    String method = json.getString("quant_method", BitsAndBytesConfig.QUANT_METHOD);
    if ((!eight && !four) || !method.equals(BitsAndBytesConfig.QUANT_METHOD)) {
      throw new UnsupportedOperationException(
          json.source()
              + " says that the weights are quantized by \""
              + method
              + "\""
              + (eight || four ? "" : ", with neither load_in_4bit nor load_in_8bit")
              + ". This version reads weights in 16 or 32 bits and those of bitsandbytes (4 and 8"
              + " bits). Load the original model, and quantize it with a BitsAndBytesConfig.");
    }
    try {
      BitsAndBytesConfig.Builder builder =
          BitsAndBytesConfig.builder()
              .loadIn8bit(eight)
              .loadIn4bit(four)
              .llmInt8Threshold(json.getDouble("llm_int8_threshold", 6))
              .llmInt8EnableFp32CpuOffload(
                  json.getBoolean("llm_int8_enable_fp32_cpu_offload", false))
              .llmInt8HasFp16Weight(json.getBoolean("llm_int8_has_fp16_weight", false))
              .bnb4bitComputeDtype(type(json, "bnb_4bit_compute_dtype", DType.FLOAT32))
              .bnb4bitQuantStorage(type(json, "bnb_4bit_quant_storage", DType.UINT8))
              .bnb4bitQuantType(QuantType.parse(json.getString("bnb_4bit_quant_type", "fp4")))
              .bnb4bitUseDoubleQuant(json.getBoolean("bnb_4bit_use_double_quant", false));
      if (json.has("llm_int8_skip_modules")) {
        List<String> skipped = json.getStrings("llm_int8_skip_modules");
        builder.llmInt8SkipModules(skipped);
      }
      return builder.build();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(json.source() + ", " + KEY + ": " + e.getMessage(), e);
    }
  }

  private static DType type(ConfigJson json, String key, DType fallback) {
    return json.findString(key).map(DType::parse).orElse(fallback);
  }
}
