/** TinyLoRA: a few numbers steer the leading singular directions of the weights. */
@NullMarked
package org.peftjava.peft.tuner.tinylora;

import org.jspecify.annotations.NullMarked;
