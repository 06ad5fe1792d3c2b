package org.peftjava.quant.bnb;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;

/** Reads the JSON of a {@link QuantState} from a checkpoint, which may hold anything. */
final class QuantStateJson {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final int MAX_BYTES = 4096;

  private final String name;
  private final JsonNode json;

  private QuantStateJson(String name, JsonNode json) {
    this.name = name;
    this.json = json;
  }

  static QuantState parse(byte[] bytes, String name) {
    String text = new String(bytes, 0, Math.min(bytes.length, MAX_BYTES), StandardCharsets.UTF_8);
    try {
      if (bytes.length <= MAX_BYTES) {
        return new QuantStateJson(name, MAPPER.readTree(text)).state();
      }
    } catch (JsonProcessingException e) {
      throw invalid(name, "is no JSON: " + shown(text), e);
    }
    throw invalid(name, "has " + bytes.length + " bytes", null);
  }

  private QuantState state() {
    QuantType type;
    DType dtype;
    try {
      type = QuantType.parse(text("quant_type"));
      dtype = DType.parse(text("dtype"));
    } catch (IllegalArgumentException e) {
      throw invalid(name, "is " + shown(json.toString()) + ". " + e.getMessage(), e);
    }
    if (!dtype.isFloatingPoint()) {
      throw wrong("dtype", "a floating-point type");
    }
    long blockSize = whole("blocksize");
    if (blockSize > Integer.MAX_VALUE
        || !BlockwiseQuantizer.BLOCK_SIZES.contains((int) blockSize)) {
      throw wrong("blocksize", "one of " + BlockwiseQuantizer.BLOCK_SIZES);
    }
    return new QuantState(type, (int) blockSize, dtype, shape(), nestedOffset());
  }

  private Shape shape() {
    JsonNode sizes = json.path("shape");
    if (sizes.size() != 2
        || !positive(sizes.path(0))
        || !positive(sizes.path(1))
        || sizes.path(0).longValue() > Long.MAX_VALUE / 8 / sizes.path(1).longValue()) {
      throw wrong("shape", "two positive sizes, [out_features, in_features]");
    }
    return Shape.of(sizes.path(0).longValue(), sizes.path(1).longValue());
  }

  private static boolean positive(JsonNode size) {
    return size.isIntegralNumber() && size.canConvertToLong() && size.longValue() > 0;
  }

  private OptionalDouble nestedOffset() {
    if (!json.has("nested_blocksize") && !json.has("nested_offset") && !json.has("nested_dtype")) {
      return OptionalDouble.empty();
    }
    if (whole("nested_blocksize") != QuantState.NESTED_BLOCK_SIZE) {
      throw wrong("nested_blocksize", "" + QuantState.NESTED_BLOCK_SIZE);
    }
    if (!text("nested_dtype").equals("float32")) {
      throw wrong("nested_dtype", "\"float32\"");
    }
    JsonNode offset = json.path("nested_offset");
    if (!offset.isNumber() || !Float.isFinite((float) offset.doubleValue())) {
      throw wrong("nested_offset", "a finite number");
    }
    return OptionalDouble.of(offset.doubleValue());
  }

  private String text(String key) {
    JsonNode value = json.path(key);
    if (!value.isTextual()) {
      throw wrong(key, "a string");
    }
    return value.textValue();
  }

  private long whole(String key) {
    JsonNode value = json.path(key);
    if (!value.isIntegralNumber() || !value.canConvertToLong()) {
      throw wrong(key, "a whole number");
    }
    return value.longValue();
  }

  private IllegalArgumentException wrong(String key, String expected) {
    JsonNode value = json.path(key);
    String given = value.isMissingNode() ? "missing" : shown(value.toString());
    return invalid(name, "has \"" + key + "\" " + given + ", expected " + expected, null);
  }

  private static IllegalArgumentException invalid(
      String name, String problem, @Nullable Exception cause) {
    return new IllegalArgumentException(
        name
            + " "
            + problem
            + ". Expected what bitsandbytes writes, such as {\"quant_type\": \"nf4\","
            + " \"blocksize\": 64, \"dtype\": \"bfloat16\", \"shape\": [32, 128]}. The file is"
            + " damaged.",
        cause);
  }

  private static String shown(String text) {
    return text.length() <= 100 ? text : text.substring(0, 100) + "...";
  }
}
