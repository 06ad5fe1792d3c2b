/** Poly: each task mixes skills of its own, which are matrices of low rank. */
@NullMarked
package org.peftjava.peft.tuner.poly;

import org.jspecify.annotations.NullMarked;
