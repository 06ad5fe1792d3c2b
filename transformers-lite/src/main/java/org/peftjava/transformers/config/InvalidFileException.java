package org.peftjava.transformers.config;

import java.nio.file.Path;

/**
 * A file that exists but whose contents break its format. The message is one sentence that begins
 * with the file.
 */
public final class InvalidFileException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** {@code problem} says what is wrong, with the values, and what was expected. */
  public InvalidFileException(Path file, String problem) {
    super(file + ": " + problem);
  }

  /** As above, with the failure that revealed it. */
  public InvalidFileException(Path file, String problem, Throwable cause) {
    super(file + ": " + problem, cause);
  }
}
