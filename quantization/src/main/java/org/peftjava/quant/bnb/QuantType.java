package org.peftjava.quant.bnb;

import java.util.Arrays;

/** A 4-bit number format of bitsandbytes. */
public enum QuantType {
  /** Sixteen quantiles of a normal distribution, arXiv:2305.14314. */
  NF4("nf4"),
  /** One sign bit, two exponent bits, one mantissa bit. */
  FP4("fp4");

  private final String pythonName;

  QuantType(String pythonName) {
    this.pythonName = pythonName;
  }

  /** The name in Python, in {@code config.json} and in checkpoints, such as "nf4". */
  public String pythonName() {
    return pythonName;
  }

  /** Reads the name used in Python. */
  public static QuantType parse(String name) {
    return Arrays.stream(values())
        .filter(type -> type.pythonName.equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Unknown 4-bit quantization type '" + name + "'. Expected nf4 or fp4."));
  }

  /** The values of the codes. */
  public CodeBook codeBook() {
    return this == NF4 ? CodeBook.NF4 : CodeBook.FP4;
  }

  @Override
  public String toString() {
    return pythonName;
  }
}
