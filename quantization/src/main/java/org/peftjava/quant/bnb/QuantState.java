package org.peftjava.quant.bnb;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.OptionalDouble;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;

/**
 * What a 4-bit weight is beside its tensors: {@code bitsandbytes.functional.QuantState}, saved as
 * JSON in a uint8 tensor of its own.
 *
 * @param type of the codes
 * @param blockSize elements per scale
 * @param dtype of the dense weight
 * @param shape of the dense weight
 * @param nestedOffset what is added to the scales when they are quantized themselves
 */
public record QuantState(
    QuantType type, int blockSize, DType dtype, Shape shape, OptionalDouble nestedOffset) {
  /** Elements per scale of the scales. */
  public static final int NESTED_BLOCK_SIZE = 256;

  /**
   * Reads what {@link #json} writes.
   *
   * @param name of the tensor, for the message
   * @throws IllegalArgumentException if it is something else
   */
  public static QuantState parse(byte[] json, String name) {
    return QuantStateJson.parse(json, name);
  }

  /** The same for scales that are quantized with this offset. */
  public QuantState withNestedOffset(double offset) {
    return new QuantState(type, blockSize, dtype, shape, OptionalDouble.of(offset));
  }

  /** The same for a dense weight of another type. */
  public QuantState withDtype(DType other) {
    return new QuantState(type, blockSize, other, shape, nestedOffset);
  }

  /** The name of the tensor that holds the JSON, below the weight's. */
  public String tensorName() {
    return "quant_state.bitsandbytes__" + type.pythonName();
  }

  /** The bytes that {@code json.dumps} writes for bitsandbytes, in its order and spacing. */
  public byte[] json() {
    StringBuilder json = new StringBuilder();
    json.append("{\"quant_type\": \"").append(type.pythonName());
    json.append("\", \"blocksize\": ").append(blockSize);
    json.append(", \"dtype\": \"").append(dtype.pythonName());
    json.append("\", \"shape\": ").append(shape);
    nestedOffset.ifPresent(
        offset ->
            json.append(", \"nested_blocksize\": ")
                .append(NESTED_BLOCK_SIZE)
                .append(", \"nested_dtype\": \"float32\", \"nested_offset\": ")
                .append(pythonRepr(offset)));
    return json.append('}').toString().getBytes(StandardCharsets.UTF_8);
  }

  /** The shortest digits that read back as this number, laid out as Python's {@code repr} does. */
  static String pythonRepr(double number) {
    if (number == 0) {
      return "0.0";
    }
    BigDecimal exact = new BigDecimal(number);
    int digits = 1;
    while (rounded(exact, digits).doubleValue() != number) {
      digits++;
    }
    BigDecimal shortest = rounded(exact, digits).stripTrailingZeros();
    int exponent = shortest.precision() - shortest.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      String plain = shortest.toPlainString();
      return plain.contains(".") ? plain : plain + ".0";
    }
    String mantissa = shortest.movePointLeft(exponent).toPlainString();
    return "%se%c%02d".formatted(mantissa, exponent < 0 ? '-' : '+', Math.abs(exponent));
  }

  private static BigDecimal rounded(BigDecimal exact, int digits) {
    return exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
  }
}
