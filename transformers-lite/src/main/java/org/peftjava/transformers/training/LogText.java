package org.peftjava.transformers.training;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Map;
import java.util.stream.Collectors;

/** A log line as Python prints it: {@code {'loss': '6.75', 'epoch': '0.5'}}. */
final class LogText {
  private static final MathContext DIGITS = new MathContext(4, RoundingMode.HALF_EVEN);

  private LogText() {}

  static String of(Map<String, Double> line) {
    return line.entrySet().stream()
        .map(entry -> "'" + entry.getKey() + "': '" + number(entry.getValue()) + "'")
        .collect(Collectors.joining(", ", "{", "}"));
  }

  /** Four digits that count, as Python's format {@code .4g} gives them. */
  static String number(double value) {
    if (Double.isNaN(value)) {
      return "nan";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    if (value == 0) {
      return "0";
    }
    BigDecimal rounded = new BigDecimal(value).round(DIGITS).stripTrailingZeros();
    int exponent = rounded.precision() - rounded.scale() - 1;
    if (exponent >= -4 && exponent < DIGITS.getPrecision()) {
      return rounded.toPlainString();
    }
    String digits = rounded.movePointLeft(exponent).toPlainString();
    return digits
        + (exponent < 0 ? "e-" : "e+")
        + (Math.abs(exponent) < 10 ? "0" : "")
        + Math.abs(exponent);
  }
}
