/** DeLoRA: a low-rank update of normalized directions and one trained length. */
@NullMarked
package org.peftjava.peft.tuner.delora;

import org.jspecify.annotations.NullMarked;
