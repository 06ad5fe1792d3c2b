/** PSOFT: rotates the principal subspace of the weights. */
@NullMarked
package org.peftjava.peft.tuner.psoft;

import org.jspecify.annotations.NullMarked;
