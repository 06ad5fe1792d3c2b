/** Optimizers for adapters: Python's {@code peft.optimizers}. */
@NullMarked
package org.peftjava.peft.optimizers;

import org.jspecify.annotations.NullMarked;
