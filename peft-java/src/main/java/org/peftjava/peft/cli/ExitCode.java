package org.peftjava.peft.cli;

/** What the process returns to the shell; the numbers from 65 on are those of BSD's sysexits. */
final class ExitCode {
  static final int OK = 0;
  static final int FAILURE = 1;
  static final int USAGE = 2;
  static final int BAD_DATA = 65;
  static final int NO_INPUT = 66;
  static final int CANNOT_CREATE = 73;
  static final int CANCELLED = 130;

  private ExitCode() {}
}
