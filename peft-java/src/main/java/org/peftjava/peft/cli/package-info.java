/** The {@code peft} command line: one class a command, options mapped to the public API. */
@NullMarked
package org.peftjava.peft.cli;

import org.jspecify.annotations.NullMarked;
