/** GLoRA: weights and biases are scaled and shifted, each with parameters of a chosen kind. */
@NullMarked
package org.peftjava.peft.tuner.glora;

import org.jspecify.annotations.NullMarked;
