package org.peftjava.torch;

/**
 * What libtorch, or the façade over it, could not do. The native stack trace is kept as a
 * suppressed exception.
 */
public abstract sealed class TorchException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  TorchException(String message) {
    super(message);
  }

  /** Operands whose shapes or dtypes do not fit together. */
  public static final class ShapeMismatch extends TorchException {
    private static final long serialVersionUID = 1L;

    ShapeMismatch(String message) {
      super(message);
    }
  }

  /** A tensor that was used after its owner had closed it. */
  public static final class ClosedTensor extends TorchException {
    private static final long serialVersionUID = 1L;

    ClosedTensor(String message) {
      super(message);
    }
  }

  /** Memory that the device or the host could not provide. */
  public static final class OutOfDeviceMemory extends TorchException {
    private static final long serialVersionUID = 1L;

    OutOfDeviceMemory(String message) {
      super(message);
    }
  }

  /** Any other failure of an operation. */
  public static final class Other extends TorchException {
    private static final long serialVersionUID = 1L;

    Other(String message) {
      super(message);
    }
  }
}
