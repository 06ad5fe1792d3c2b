package org.peftjava.torch.cuda;

/** A kernel could not be compiled, loaded or started. */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** An exception with a message for the user. */
  public CudaException(String message) {
    super(message);
  }
}
