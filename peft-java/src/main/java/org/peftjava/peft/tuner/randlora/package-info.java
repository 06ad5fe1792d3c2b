/** RandLoRA: scaled sums of random low-rank matrices, of full rank. */
@NullMarked
package org.peftjava.peft.tuner.randlora;

import org.jspecify.annotations.NullMarked;
