/** UniLoRA: all low-rank matrices of a model are made of the numbers of one trained vector. */
@NullMarked
package org.peftjava.peft.tuner.unilora;

import org.jspecify.annotations.NullMarked;
