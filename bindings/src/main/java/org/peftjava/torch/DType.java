package org.peftjava.torch;

import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Element type of a tensor, with its names in Python ("bfloat16") and in safetensors ("BF16"). */
public enum DType {
  FLOAT32("float32", "F32", 4, ScalarType.Float),
  FLOAT64("float64", "F64", 8, ScalarType.Double),
  FLOAT16("float16", "F16", 2, ScalarType.Half),
  BFLOAT16("bfloat16", "BF16", 2, ScalarType.BFloat16),
  INT64("int64", "I64", 8, ScalarType.Long),
  INT32("int32", "I32", 4, ScalarType.Int),
  INT16("int16", "I16", 2, ScalarType.Short),
  INT8("int8", "I8", 1, ScalarType.Char),
  UINT8("uint8", "U8", 1, ScalarType.Byte),
  BOOL("bool", "BOOL", 1, ScalarType.Bool);

  private static final DType[] VALUES = values();

  private final String pythonName;
  private final String safetensorsName;
  private final int byteSize;
  private final ScalarType scalarType;

  DType(String pythonName, String safetensorsName, int byteSize, ScalarType scalarType) {
    this.pythonName = pythonName;
    this.safetensorsName = safetensorsName;
    this.byteSize = byteSize;
    this.scalarType = scalarType;
  }

  /** The name in Python and in {@code config.json}, such as "bfloat16". */
  public String pythonName() {
    return pythonName;
  }

  /** The name in a safetensors header, such as "BF16". */
  public String safetensorsName() {
    return safetensorsName;
  }

  /** Bytes of one element. */
  public int byteSize() {
    return byteSize;
  }

  /** Whether this is a floating-point type, which gradients need. */
  public boolean isFloatingPoint() {
    return this == FLOAT32 || this == FLOAT64 || this == FLOAT16 || this == BFLOAT16;
  }

  /** Whether this is a 16-bit floating-point type. */
  public boolean isHalfPrecision() {
    return this == FLOAT16 || this == BFLOAT16;
  }

  /** Reads "bfloat16", "torch.bfloat16", "bf16", "fp32", "half" and the like. */
  public static DType parse(String name) {
    String plain = name.toLowerCase(Locale.ROOT).replace("torch.", "");
    return switch (plain) {
      case "bf16" -> BFLOAT16;
      case "fp32", "float" -> FLOAT32;
      case "fp16", "half" -> FLOAT16;
      case "fp64", "double" -> FLOAT64;
      default -> {
        for (DType type : VALUES) {
          if (type.pythonName.equals(plain)) {
            yield type;
          }
        }
        throw new IllegalArgumentException(
            "Unknown dtype '" + name + "'. Expected one of float32, bfloat16, float16, float64.");
      }
    };
  }

  /** Reads the name used in a safetensors header. */
  public static DType ofSafetensors(String name) {
    for (DType type : VALUES) {
      if (type.safetensorsName.equals(name)) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "safetensors dtype '"
            + name
            + "' is not supported. Supported: F64, F32, F16, BF16, I64,"
            + " I32, I16, I8, U8, BOOL.");
  }

  @Override
  public String toString() {
    return pythonName;
  }

  ScalarType scalarType() {
    return scalarType;
  }

  static DType of(ScalarType type) {
    ScalarType plain = type.intern();
    for (DType candidate : VALUES) {
      if (candidate.scalarType == plain) {
        return candidate;
      }
    }
    throw new IllegalStateException("libtorch returned a tensor of unsupported type " + plain);
  }
}
