package org.peftjava.torch;

import java.util.Locale;

/** Turns the exceptions that JavaCPP throws for C++ ones into {@link TorchException}s. */
final class NativeErrors {
  private NativeErrors() {}

  /** Keeps the first line for the user and the C++ frames as a suppressed exception. */
  static RuntimeException translate(RuntimeException error) {
    String message = error.getMessage();
    if (message == null || !comesFromNativeCode(error, message)) {
      return error;
    }
    int end = message.indexOf('\n');
    String first = end < 0 ? message : message.substring(0, end);
    String lower = first.toLowerCase(Locale.ROOT);
    TorchException result;
    if (error instanceof NullPointerException) {
      result =
          new TorchException.ClosedTensor(
              "A closed or undefined tensor was given to an operation (" + first + ").");
    } else if (lower.contains("out of memory") || lower.contains("can't allocate memory")) {
      result =
          new TorchException.OutOfDeviceMemory(
              first
                  + " "
                  + TensorLedger.summary()
                  + " Use smaller batches, shorter sequences or"
                  + " gradient checkpointing.");
    } else if (lower.contains("out of range")) { // an index: its message tells the size too
      result = new TorchException.Other(first);
    } else if (lower.contains("size") || lower.contains("shape") || lower.contains("dtype")) {
      result = new TorchException.ShapeMismatch(first);
    } else {
      result = new TorchException.Other(first);
    }
    result.addSuppressed(error);
    return result;
  }

  /**
   * JavaCPP throws plain RuntimeExceptions for C++ ones; every subclass was thrown by Java code.
   */
  private static boolean comesFromNativeCode(RuntimeException error, String message) {
    return error.getClass() == RuntimeException.class
        || (error instanceof NullPointerException && message.contains("ointer address"));
  }
}
