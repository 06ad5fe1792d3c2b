package org.peftjava.peft.tuner;

/** A config whose targets select no module of the model. PEFT's NoMatchingPeftModuleError. */
public final class NoMatchingModulesException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /** Says what was looked for. */
  public NoMatchingModulesException(String message) {
    super(message);
  }
}
